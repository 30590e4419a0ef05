"""Rules that look at val as it is."""

import math

from adapt.ensembling.rules.base import Evidence, rule, smallest_within


@rule("val")
def val(evidence: Evidence) -> float:
    """The best accuracy on val."""
    return smallest_within(evidence.accuracy)


@rule("val_one_se")
def val_one_se(evidence: Evidence) -> float:
    """The smallest alpha that is at most one standard error below the best on val.

    What val cannot tell apart is decided for the weights nearest to zero-shot.
    """
    best = max(evidence.accuracy.values())
    # The mean of n answers that are right with probability p has the variance p (1 - p) / n.
    return smallest_within(evidence.accuracy, math.sqrt(best * (1 - best) / evidence.images))
