"""The rule that looks at the group that is served worst."""

from adapt.ensembling.rules.base import Evidence, rule, smallest_within


@rule("worst_group", groups=True)
def worst_group(evidence: Evidence) -> float:
    """The best accuracy on val of the group that is worst there.

    Which group that is may change along the line. A group is a class with a value of the column
    `ensemble.groups`; one of few images makes the choice a matter of luck.
    """
    return smallest_within({alpha: evidence.worst(alpha) for alpha in evidence.accuracy})
