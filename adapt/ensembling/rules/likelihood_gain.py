"""The rule that stops where adapting further gains little."""

from adapt.ensembling.rules.base import Evidence, nearest, rule
from adapt.ensembling.rules.likelihood import likelihood

GIVEN_UP = 0.1
"""Of the gain, where zero-shot is always right; why this number: docs/benchmarks/alpha_rules.md."""


@rule("likelihood_gain", losses=True)
def likelihood_gain(evidence: Evidence) -> float:
    """The smallest alpha that keeps nearly all that adapting gains in log-likelihood on val.

    Along the line the log-likelihood of val rises steeply at first and hardly at its end, while
    what zero-shot knows of other images is lost steadily. It is a sum over images of numbers that
    change smoothly, so a few dozen images say where it bends; accuracy changes in steps of whole
    images. The more of val zero-shot gets right, the more there is to lose: from 0 to 10 % of the
    gain are given up for it.
    """
    return giving_up(evidence, GIVEN_UP)


def giving_up(evidence: Evidence, most: float) -> float:
    """The alpha that keeps the gain but for a fraction of it, times the accuracy of zero-shot.

    Args:
        evidence: With losses.
        most: 0 to 1; what is given up where zero-shot is always right.
    """
    return keeping(evidence, 1 - most * evidence.accuracy[min(evidence.accuracy)])


def keeping(evidence: Evidence, kept: float) -> float:
    """The alpha nearest to where a fraction of the gain in log-likelihood is reached.

    Args:
        evidence: With losses.
        kept: 0 to 1; 1 is the most likely alpha.
    """
    alphas, best = sorted(evidence.losses), likelihood(evidence)
    loss = {alpha: evidence.loss(alpha) for alpha in alphas}
    limit = loss[best] + (1 - kept) * (loss[alphas[0]] - loss[best])
    after = next(alpha for alpha in alphas if loss[alpha] <= limit)
    if after == alphas[0]:
        return after
    before = alphas[alphas.index(after) - 1]
    # Between two points of the curve it is taken as straight.
    crossed = before + (after - before) * (loss[before] - limit) / (loss[before] - loss[after])
    return nearest(alphas, crossed)
