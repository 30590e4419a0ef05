"""The rule that takes the most likely point."""

from adapt.ensembling.rules.base import Evidence, rule


@rule("likelihood", losses=True)
def likelihood(evidence: Evidence) -> float:
    """The alpha under which the labels of val are most likely, each with its best temperature."""
    return min(sorted(evidence.losses), key=evidence.loss)
