"""How what to label next is chosen."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least


@dataclass(frozen=True)
class SuggestSettings:
    """What decides on the images that are suggested.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(budget=at_least(1), seed=at_least(0))

    budget: int = 50
    """Images to label."""
    strategy: str = "mix"
    """One of `adapt list strategies`."""
    seed: int = 0
    """Of what is drawn at random."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `gpu`, `cuda` or `mps`."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
