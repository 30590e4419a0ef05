"""How a sweep is run, and what its settings may be ranked by; read without torch."""

from dataclasses import dataclass

from adapt.common.words import check_choice, listed, refuse
from adapt.errors import did_you_mean
from adapt.scale.settings import ENGINE_NAMES, LOCAL, RAY

MOST_AT_ONCE = {LOCAL: 64, RAY: 1000}
MOST_PER_RUN = 1024
"""Processors or GPUs."""
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

    at_once: int | None = None
    """Runs side by side; if None, one on this machine, and as many as Ray has room for."""
    random: int | None = None
    """How many settings are drawn from the grid, none of them twice; all if None."""
    seed: int = 0
    """Of the draw."""
    rank_by: str = "accuracy"
    """Measure on val: `accuracy`, `balanced_accuracy`, `nll`, `brier` or `ece`."""
    retry_failed: bool = False
    """Whether runs that have failed are tried again."""
    engine: str = LOCAL
    """`local` (processes of this machine) or `ray` (here or on a cluster)."""
    cpus_per_run: int | None = None
    """Processors that `ray` keeps for a run, and the threads it computes with; if None, an equal
    share of a machine."""
    gpus_per_run: float | None = None
    """GPUs that `ray` keeps for a run: a part of one, 0, 1 or more; if None, those that the recipe
    wants, where there are any."""

    def __post_init__(self) -> None:
        wrong = check_choice("engine", self.engine, ENGINE_NAMES)
        most = MOST_AT_ONCE.get(self.engine, 1)
        if self.at_once is not None and not wrong and not 1 <= self.at_once <= most:
            wrong.append(f"at_once - out of range - {self.at_once} - give 1 to {most:,}")
        wrong += self._check_shares()
        if self.random is None and self.seed:
            wrong.append(f"seed - nothing is drawn - {self.seed} - give random too, or remove it")
        refuse([*wrong, *_check_ranking(self.rank_by)])

    def _check_shares(self) -> list[str]:
        """What is wrong with the part of a cluster that a run gets."""
        cpus, gpus, wrong = self.cpus_per_run, self.gpus_per_run, []
        if self.engine == LOCAL:
            given = {"cpus_per_run": cpus, "gpus_per_run": gpus}
            return [
                f"{name} - only for engine ray - {value} - leave it out, or choose engine ray"
                for name, value in given.items()
                if value is not None
            ]
        if cpus is not None and not 1 <= cpus <= MOST_PER_RUN:
            wrong.append(f"cpus_per_run - out of range - {cpus} - give 1 to {MOST_PER_RUN:,}")
        if gpus is not None and not (
            0 <= gpus <= 1 or (gpus <= MOST_PER_RUN and gpus == int(gpus))
        ):
            wrong.append(
                f"gpus_per_run - out of range - {gpus:g} - give 0 to 1, or a whole number to "
                f"{MOST_PER_RUN:,}"
            )
        return wrong

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
