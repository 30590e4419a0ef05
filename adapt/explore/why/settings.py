"""What may be chosen of an explanation."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least


@dataclass(frozen=True)
class WhySettings:
    """What is explained of an answer.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(top=at_least(1))

    label: str | None = None
    """Where images have several labels, the one that is explained; the most probable without."""
    rival: str | None = None
    """The class that the answer is held against; the second most likely without."""
    where: bool = True
    """Whether to compute which regions of the image matter."""
    top: int = 5
    """Most training images of each kind."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
