"""Settings of the few-shot protocol."""

from dataclasses import dataclass, field
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, each, within


@dataclass
class FewShot:
    """The few-shot protocol: accuracy against images per class, over several draws."""

    ranges: ClassVar[Ranges] = Ranges(
        shots=each(at_least(1), once=True), seeds=within(2, 100, "draws")
    )

    shots: list[int] = field(default_factory=list)
    """Training images per class, such as `[1, 2, 4, 8, 16]`; none turns the protocol off."""
    seeds: int = 5
    """Draws of each number; their mean and 95 % interval are shown."""

    def __post_init__(self) -> None:
        unordered = self.shots != sorted(self.shots)
        what = f"shots - not rising - {self.shots} - give the lowest first"
        self.ranges.check(self, [what] if unordered else [])
