"""Settings of calibration, robustness and uncertainty."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, each, fraction, not_empty, one_of
from adapt.common.typed import FILE, path_to
from adapt.data.sources.base import Source

CALIBRATIONS = ("temperature", "none")
INTERVALS = ("wilson", "clopper_pearson")
"""Of `adapt.evaluation.metrics.intervals`."""
SET_SCORES = ("lac", "aps", "raps")
"""Of `adapt.models.prediction.conformal`."""


@dataclass
class Calibration:
    """Calibration of the confidences on the validation images."""

    ranges: ClassVar[Ranges] = Ranges(kind=one_of(CALIBRATIONS))

    kind: str = "temperature"
    """`temperature` (Guo et al. 2017) or `none`."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class EvaluationSettings:
    """How scores are stated."""

    ranges: ClassVar[Ranges] = Ranges(interval=one_of(INTERVALS))

    interval: str = "wilson"
    """Interval of every proportion, such as an accuracy: `wilson` or `clopper_pearson`, which never
    covers less than 95 % and is wider for it."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class Robustness:
    """Measures beside the accuracy of each eval."""

    ranges: ClassVar[Ranges] = Ranges(groups=each(not_empty("name a column"), once=True))

    groups: list[str] = field(default_factory=list)
    """Columns of the tables by whose values evals are sliced; `group` is the column of groups."""
    reference: str | None = path_to(FILE)
    """CSV of ten models or more for the line of effective robustness: `name,id,<eval>,...`. The
    embedded benchmark has its own."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class UncertaintySettings:
    """What the bundle knows about when not to trust it; all of it fitted on held-out images."""

    ranges: ClassVar[Ranges] = Ranges(
        coverage=fraction(zero=False, one=False),
        level=fraction(zero=False, one=False),
        score=one_of(SET_SCORES),
        penalty=at_least(0),
        free_ranks=at_least(0),
    )

    coverage: float = 0.9
    """Fraction of held-out images that is answered; below its confidence the model abstains."""
    level: float = 0.9
    """How often a conformal set must contain the true class (arXiv:2107.07511)."""
    score: str = "lac"
    """What conformal sets are made from: `lac`, `aps` (arXiv:2006.02544) or `raps`
    (arXiv:2009.14193); the report compares all three."""
    randomised: bool = False
    """Whether `aps` and `raps` are randomised, as in their papers: smaller sets."""
    empty_sets: bool = False
    """Whether a conformal set may be empty; otherwise it holds the most probable class at least."""
    penalty: float = 0.01
    """`raps`: what each rank beyond `free_ranks` adds to the score."""
    free_ranks: int = 5
    """`raps`: ranks without a penalty."""
    unknown: Source | None = None
    """Images of none of the classes, to measure how well they are distinguished from known ones."""

    def __post_init__(self) -> None:
        uneven = self.score == "lac" and self.randomised
        what = "randomised - not for lac - true - choose aps or raps, or remove it"
        self.ranges.check(self, [what] if uneven else [])
