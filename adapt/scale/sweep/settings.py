"""How a sweep is run, and what its settings may be ranked by; read without torch."""

from dataclasses import dataclass

from adapt.common.words import listed, refuse
from adapt.errors import did_you_mean

MOST_AT_ONCE = 64
SELECTION = "val"
RANKINGS = {"accuracy": 1, "balanced_accuracy": 1, "nll": -1, "brier": -1, "ece": -1}
"""Measures on val that settings can be ranked by, and whether more is better."""


@dataclass(frozen=True)
class SweepOptions:
    """How a sweep is run; nothing here changes what a run computes.

    Raises:
        ValueError: Lists every setting that is wrong; settings that would be chosen by test images
            are.

    >>> SweepOptions(rank_by="val.nll").measure
    'nll'
    """

    at_once: int = 1
    """Runs side by side."""
    random: int | None = None
    """How many settings are drawn from the grid, none of them twice; all if None."""
    seed: int = 0
    """Of the draw."""
    rank_by: str = "accuracy"
    """Measure on val: `accuracy`, `balanced_accuracy`, `nll`, `brier` or `ece`."""
    retry_failed: bool = False
    """Whether runs that have failed are tried again."""

    def __post_init__(self) -> None:
        wrong = []
        if not 1 <= self.at_once <= MOST_AT_ONCE:
            wrong.append(f"at_once - out of range - {self.at_once} - give 1 to {MOST_AT_ONCE}")
        if self.random is None and self.seed:
            wrong.append(f"seed - nothing is drawn - {self.seed} - give random too, or remove it")
        refuse([*wrong, *_check_ranking(self.rank_by)])

    @property
    def measure(self) -> str:
        """The measure on val that settings are ranked by."""
        return self.rank_by.removeprefix(f"{SELECTION}.")


def _check_ranking(rank_by: str) -> list[str]:
    """What is wrong with a measure: it is not known, or would be taken from test images."""
    measure = rank_by.removeprefix(f"{SELECTION}.")
    if measure in RANKINGS:
        return []
    if measure.split(".")[-1] in RANKINGS or measure.split(".")[0] in ("test", "shift_mean"):
        return [
            f"rank_by - would choose by test images - {rank_by} - settings are ranked on val "
            f"alone, by {listed(list(RANKINGS))}; what they reach on test sets is shown beside"
        ]
    hint = did_you_mean(measure, RANKINGS)
    return [f"rank_by - not a measure{hint} - {rank_by} - choose one of {listed(list(RANKINGS))}"]
