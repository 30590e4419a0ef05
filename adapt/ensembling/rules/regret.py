"""The rule that gives up neither val nor any of its corruptions."""

from adapt.ensembling.rules.base import Evidence, rule, smallest_within


@rule("min_regret", corruptions=True)
def min_regret(evidence: Evidence) -> float:
    """The smallest largest loss over val and its corruptions."""
    return smallest_within({alpha: -(evidence.regret(alpha) or 0.0) for alpha in evidence.accuracy})
