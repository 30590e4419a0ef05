"""How a model is audited."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, fraction, one_of

CORRECTIONS = ("bh", "holm")


@dataclass(frozen=True)
class AuditSettings:
    """When a group is judged, when a gap is called clear, and what stands beside it.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        min_images=at_least(1), level=fraction(zero=False), correction=one_of(CORRECTIONS)
    )

    min_images: int = 20
    """Images below which a group, or a class in a group, is listed and not judged."""
    level: float = 0.05
    """A gap is clear where its adjusted p-value is at most this."""
    correction: str = "bh"
    """How p-values are adjusted for their number: `bh` (Benjamini and Hochberg: the share of false
    ones among clear gaps) or `holm` (the chance of a single false one)."""
    cross: bool = False
    """Whether groups are also formed of all combinations of the columns."""
    base: str | None = None
    """Where the pretrained weights are that the model started from; found if not given."""
    extra_classes: str | None = None
    """A file of further classes, one a line or YAML as `data.classes`: how often each group is
    answered with one of them, zero-shot, is said beside the rest."""

    root: str | None = None
    """For a table, the folder that its paths are relative to; that of the table if not given."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
