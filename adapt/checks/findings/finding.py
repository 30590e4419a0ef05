"""What a check says: findings, each with the images it is about and what mends it."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEVELS = ("error", "warning", "note")
"""`error`: a run refuses this or its scores would be wrong. `warning`: look at it before a run.
`note`: worth knowing."""


class Place(NamedTuple):
    """One image as the person who gave it knows it.

    >>> Place("train", "cat/1.png", "cat").label
    'cat'
    """

    split: str
    """Name of the set it stands in: `train`, `val` or an eval."""
    path: str
    """Relative to the root of that set."""
    label: str
    """Class key."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault and every place where it was met."""

    kind: str
    """Such as `unreadable` or `near_copy`; unique in one check."""
    level: str
    """One of `LEVELS`."""
    message: str
    """One sentence with the count."""
    fix: str
    """The one command or recipe line that mends it."""
    places: tuple[tuple[Place, ...], ...] = ()
    """Images, or sets of images that belong together (copies), the worst first."""
    values: tuple[float, ...] = ()
    """One number for each entry of `places`, where there is one: a distance, a probability."""
    remove: tuple[Place, ...] = ()
    """What `--fix` writes down to be left out."""
    details: dict[str, Any] = field(default_factory=dict)
    """Numbers of its own, ready for JSON."""
