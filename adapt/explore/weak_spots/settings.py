"""How a model is probed for weak spots."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least


@dataclass(frozen=True)
class WeakSpotSettings:
    """How many images are drawn, and which.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(images=at_least(20), seed=at_least(0), pairs=at_least(0))

    images: int = 100
    """Images drawn for each task."""
    seed: int = 0
    """Another seed, other images."""
    pairs: int = 10
    """Pairs of the model's own classes that are listed: those with the most similar names."""
    by: str | None = None
    """A column of the user's images; how many answers move is said for each of its values."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
