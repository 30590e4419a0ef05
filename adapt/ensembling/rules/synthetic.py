"""Rules that look at the mean accuracy over val and its corruptions."""

from adapt.ensembling.rules.base import Evidence, rule, smallest_within
from adapt.ensembling.rules.val import val_one_se


def _means(evidence: Evidence) -> dict[float, float]:
    return {alpha: evidence.synthetic(alpha) or 0.0 for alpha in evidence.accuracy}


@rule("synthetic_shift", corruptions=True)
def synthetic_shift(evidence: Evidence) -> float:
    """The best mean over val and its corruptions."""
    return smallest_within(_means(evidence))


@rule("synthetic_one_se", corruptions=True, errors=True)
def synthetic_one_se(evidence: Evidence) -> float:
    """The smallest alpha that is at most one standard error below the best mean."""
    return smallest_within(_means(evidence), evidence.synthetic_error[synthetic_shift(evidence)])


@rule("both_one_se", corruptions=True, errors=True)
def both_one_se(evidence: Evidence) -> float:
    """The larger of what `val_one_se` and `synthetic_one_se` take, so that neither sees a loss."""
    return max(val_one_se(evidence), synthetic_one_se(evidence))
