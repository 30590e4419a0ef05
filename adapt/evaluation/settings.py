"""Settings of calibration, robustness and uncertainty."""

from dataclasses import dataclass, field

from adapt.common.typed import FILE, path_to
from adapt.common.words import check_choice, refuse
from adapt.data.sources.base import Source

CALIBRATIONS = ("temperature", "none")


@dataclass
class Calibration:
    """Calibration of the confidences on the validation images."""

    kind: str = "temperature"
    """`temperature` (Guo et al. 2017) or `none`."""

    def __post_init__(self) -> None:
        refuse(check_choice("kind", self.kind, CALIBRATIONS))


@dataclass
class Robustness:
    """Measures beside the accuracy of each eval."""

    groups: list[str] = field(default_factory=list)
    """Columns of the tables by whose values evals are sliced; `group` is the column of groups."""
    reference: str | None = path_to(FILE)
    """CSV with models to fit the line of effective robustness on: `name,id,<eval>,...`."""

    def __post_init__(self) -> None:
        wrong = [
            f"groups[{place}] - empty - '' - name a column"
            for place, name in enumerate(self.groups)
            if not name.strip()
        ]
        if len(set(self.groups)) < len(self.groups):
            wrong.append(f"groups - listed twice - {self.groups} - give each column once")
        refuse(wrong)


@dataclass
class UncertaintySettings:
    """What the bundle knows about when not to trust it; all of it fitted on held-out images."""

    coverage: float = 0.9
    """Fraction of held-out images that is answered; below its confidence the model abstains."""
    level: float = 0.9
    """How often a conformal set must contain the true class (arXiv:2107.07511)."""
    unknown: Source | None = None
    """Images of none of the classes, to measure how well they are distinguished from known ones."""

    def __post_init__(self) -> None:
        refuse(
            [
                f"{name} - out of range - {value} - give a fraction above 0 and below 1"
                for name, value in (("coverage", self.coverage), ("level", self.level))
                if not 0 < value < 1
            ]
        )
