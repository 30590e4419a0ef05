"""Settings of the few-shot protocol."""

from dataclasses import dataclass, field

from adapt.common.words import refuse


@dataclass
class FewShot:
    """The few-shot protocol: accuracy against images per class, over several draws."""

    shots: list[int] = field(default_factory=list)
    """Training images per class, such as `[1, 2, 4, 8, 16]`; none turns the protocol off."""
    seeds: int = 5
    """Draws of each number; their mean and 95 % interval are shown."""

    def __post_init__(self) -> None:
        wrong = [
            f"shots[{place}] - out of range - {number} - give 1 or more images per class"
            for place, number in enumerate(self.shots)
            if number < 1
        ]
        if self.shots != sorted(set(self.shots)):
            wrong.append(f"shots - not rising - {self.shots} - give each number once, rising")
        if not 2 <= self.seeds <= 100:
            wrong.append(f"seeds - out of range - {self.seeds} - give 2 to 100 draws")
        refuse(wrong)
