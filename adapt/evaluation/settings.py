"""Settings of calibration, robustness and uncertainty."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Ranges, each, fraction, not_empty, one_of
from adapt.common.typed import FILE, path_to
from adapt.data.sources.base import Source

CALIBRATIONS = ("temperature", "none")


@dataclass
class Calibration:
    """Calibration of the confidences on the validation images."""

    ranges: ClassVar[Ranges] = Ranges(kind=one_of(CALIBRATIONS))

    kind: str = "temperature"
    """`temperature` (Guo et al. 2017) or `none`."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class Robustness:
    """Measures beside the accuracy of each eval."""

    ranges: ClassVar[Ranges] = Ranges(groups=each(not_empty("name a column"), once=True))

    groups: list[str] = field(default_factory=list)
    """Columns of the tables by whose values evals are sliced; `group` is the column of groups."""
    reference: str | None = path_to(FILE)
    """CSV with models to fit the line of effective robustness on: `name,id,<eval>,...`."""

    def __post_init__(self) -> None:
        self.ranges.check(self)


@dataclass
class UncertaintySettings:
    """What the bundle knows about when not to trust it; all of it fitted on held-out images."""

    ranges: ClassVar[Ranges] = Ranges(
        coverage=fraction(zero=False, one=False), level=fraction(zero=False, one=False)
    )

    coverage: float = 0.9
    """Fraction of held-out images that is answered; below its confidence the model abstains."""
    level: float = 0.9
    """How often a conformal set must contain the true class (arXiv:2107.07511)."""
    unknown: Source | None = None
    """Images of none of the classes, to measure how well they are distinguished from known ones."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
