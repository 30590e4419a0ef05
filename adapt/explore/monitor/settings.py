"""What `adapt monitor` compares, and when it raises an alarm."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, above, at_least, fraction, one_of, or_none
from adapt.training.settings import ACCELERATORS


@dataclass(frozen=True)
class MonitorSettings:
    """Limits, and how images are computed.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        level=above(0, most=0.5),
        min_accuracy=or_none(fraction(), "no limit"),
        max_unknown=or_none(fraction(), "no limit"),
        width=above(0, most=0.4),
        batch_size=at_least(1),
        device=one_of(ACCELERATORS),
    )

    level: float = 0.05
    """False-alarm rate of the test whether the images are of another distribution."""
    min_accuracy: float | None = None
    """Alarm where the estimated accuracy is below."""
    max_unknown: float | None = None
    """Alarm where the share of unknown images is above."""
    width: float = 0.05
    """To how far the accuracy is to be known by labelling: +- so much."""
    line: bool = True
    """Ask the models on the line from the start as well; the start's weights must be at hand."""
    batch_size: int = 64
    """Images computed at once."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `gpu`, `cuda` or `mps`."""
    null: bool = False
    """A list on standard input ends its paths with NUL."""
    trust: bool = False
    """Open an export of the format `torch` too, which can run code."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
