"""What a source of images is in a recipe, and the table of all kinds of them.

A kind is a dataclass in a file of this folder; it is found by standing there.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from adapt.common.discovery import import_siblings
from adapt.common.ranges import Ranges, at_least, fraction, not_empty, or_none, ranges_of
from adapt.common.typed import FILE, path_to
from adapt.common.words import MISSING
from adapt.errors import RecipeError

if TYPE_CHECKING:
    from adapt.data.sources.image_list import ImageList


@dataclass(kw_only=True)
class Source:
    """Labelled images; each kind of source adds its own keys and reads them.

    Raises:
        ValueError: Listing every mistake, one per line.
    """

    kind: ClassVar[str] = MISSING
    """The name that recipes give as `kind`."""
    ranges: ClassVar[Ranges] = Ranges(
        shots=or_none(at_least(1), "all"),
        fraction=or_none(fraction(zero=False), "all"),
        group=or_none(not_empty(), ""),
        classes=or_none(not_empty(), ""),
    )
    shots: int | None = None
    """Images per class to sample; all of them when not given."""
    fraction: float | None = None
    """Fraction of each class to sample in place of `shots`, at least one image of each."""
    group: str | None = None
    """Column that names the group of each image; no group is ever split. `group` when not given
    and there."""
    retention: bool = False
    """For an eval with *other* classes: the text encoder names them, before and after, to tell what
    the model has forgotten."""
    classes: str | None = path_to(FILE)
    """For a retention set: YAML file with the words of its classes."""

    def __post_init__(self) -> None:
        wrong = [
            not_empty().sentence(name, value)
            for name, value in self.own().items()
            if isinstance(value, str | list) and not not_empty().holds(value)
        ]
        if self.classes is not None and not self.retention:
            wrong.append(
                f"classes - for retention sets only - {self.classes!r} - remove it; data.classes "
                "names the classes of the task"
            )
        if self.fraction is not None and self.shots is not None:
            wrong.append(f"fraction - does not go with shots - {self.fraction} - keep one of them")
        ranges_of(type(self)).check(self, wrong)

    @property
    def several_labels(self) -> bool:
        """Whether an image may have several labels, or none; kinds that can say so do."""
        return False

    def own(self) -> dict[str, Any]:
        """The values of this kind's own keys, without those that every source may have."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in COMMON
        }

    def title(self) -> str:
        """What to call it beside other sources: the end of its path, and its split."""
        own = self.own()
        split = own.pop("split", None)
        texts = [value for value in own.values() if isinstance(value, str)]
        end = Path(texts[0]).name if texts else self.kind
        return f"{end}/{split}" if split else end

    def read(self, classes: str | None, default_split: str) -> "ImageList":
        """The images.

        Args:
            classes: The recipe's file of class names, if any.
            default_split: What a source without `split` means here: `train` or `test`.

        Raises:
            DataError: When it cannot be read as what it is said to be.
        """
        raise NotImplementedError

    def read_unlabelled(self) -> "ImageList":
        """The images where no label matters."""
        return self.read(None, "test")


COMMON = frozenset(field.name for field in fields(Source))
_KINDS: dict[str, type[Source]] = {}
Kind = TypeVar("Kind", bound=type[Source])


def source(kind: str) -> Callable[[Kind], Kind]:
    """Class decorator: make a dataclass known as a kind of source.

    Raises:
        RecipeError: When the name is taken.
    """

    def add(schema: Kind) -> Kind:
        if kind in _KINDS:
            home = _KINDS[kind].__module__
            raise RecipeError(
                f"source {kind} - registered twice - {home} has it - choose another name"
            )
        schema.kind = kind
        _KINDS[kind] = schema
        return schema

    return add


def source_kinds() -> dict[str, type[Source]]:
    """The dataclass of every kind of source, by name.

    >>> list(source_kinds())[:3]
    ['archive', 'combined', 'embedded']
    """
    import_siblings(__name__)
    return dict(sorted(_KINDS.items()))
