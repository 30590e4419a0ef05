"""The findings of a check, each with the images it is about and how to fix it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEVELS = ("error", "warning", "note")
"""`error`: a run refuses this, or its scores would be wrong. `warning`: look at it before a run.
`note`: worth knowing."""


class Place(NamedTuple):
    """One image as the user knows it."""

    split: str
    """Name of its set: `train`, `val` or an eval."""
    path: str
    """Relative to the root of that set."""
    label: str
    """Class key."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault and every place where it occurs."""

    kind: str
    """Such as `unreadable` or `near_copy`; unique in one check."""
    level: str
    """One of `LEVELS`."""
    message: str
    """One sentence with the count."""
    fix: str
    """The command or recipe line that fixes it."""
    places: tuple[tuple[Place, ...], ...] = ()
    """Images, or sets of images that belong together (copies), worst first."""
    values: tuple[float, ...] = ()
    """One number for each entry of `places`, or none: a distance or a probability."""
    remove: tuple[Place, ...] = ()
    """The images that `--fix` lists to be left out."""
    details: dict[str, Any] = field(default_factory=dict)
    """More numbers, ready for JSON."""
