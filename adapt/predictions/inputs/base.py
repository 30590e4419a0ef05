"""What a kind of source is, and which kind a source is."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapt.common.registry import Registry
from adapt.common.words import listed
from adapt.data.decoding.formats import ImageError, refuse
from adapt.errors import DataError, RecipeError
from adapt.models.prediction.inputs import ImageLike, NamedImage

LIST, IMAGE = "-", "image"


@dataclass(frozen=True)
class Item:
    """One input: a row of the table, whatever becomes of it."""

    name: str
    """Its path, or `archive.tar/member`."""
    get: Callable[[], ImageLike]
    """A path, or the bytes of a member; to be called before the next item is asked for."""

    @classmethod
    def at(cls, path: str) -> "Item":
        """A file; it is opened by the thread that decodes it."""
        return cls(path, lambda: path)

    @classmethod
    def broken(cls, name: str, problem: ImageError) -> "Item":
        """What stands for inputs that cannot be got."""

        def refuse() -> ImageLike:
            raise problem

        return cls(name, refuse)

    def load(self) -> NamedImage:
        """What is predicted; a problem is kept for its row."""
        try:
            return NamedImage(self.name, self.get())
        except ImageError as problem:
            return NamedImage(self.name, problem=problem)


@dataclass
class Reading:
    """One pass over a source."""

    source: str
    """As it was given; `-` is a list on standard input."""
    null: bool = False
    """Whether that list ends its paths with NUL in place of a line break."""
    skipped: Counter[str] = field(default_factory=Counter)
    """What was left out because it is no image, by suffix."""

    def items(self) -> Iterator[Item]:
        """The inputs, lazily and always in the same order.

        Raises:
            DataError: When the source does not exist or cannot be read.
            RecipeError: When `null` does not go with the source.
        """
        if self.null and self.source != LIST:
            raise RecipeError(
                f"--null - only for a list on standard input - {self.source} - leave it out, or "
                "give - as the source"
            )
        return self._kind().read(self)

    def count(self) -> int:
        """How many items there are, 0 where that cannot be told without reading all of it."""
        return self._kind().count(self.source)

    def _kind(self) -> "InputKind":
        table = INPUTS.table()
        try:
            # An image is what nothing else is.
            for name in sorted(table, key=lambda name: name == IMAGE):
                if table[name].takes(self.source):
                    return table[name]
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(
                f"{self.source!s:.200} - cannot be read - {reason} - check the path"
            ) from error
        kinds = listed([kind.what for kind in table.values()])
        raise DataError(f"{self.source} - not found - no such file or folder - give {kinds}")


def no_count(source: str) -> int:
    """Of a source that has to be read to be counted: 0."""
    return 0


@dataclass(frozen=True)
class InputKind:
    """A kind of source.

    Attributes:
        what: What it is, for messages.
        takes: Whether a source is of this kind.
        read: From a reading to its items, lazily. It adds to `skipped`, and raises `DataError`
            where the source is not what it seems.
        count: From a source to the number of its items, 0 where that is not known; only for
            whoever watches.
    """

    what: str
    takes: Callable[[str], bool]
    read: Callable[[Reading], Iterator[Item]]
    count: Callable[[str], int] = no_count


INPUTS: Registry[InputKind] = Registry("kind of input", "adapt.predictions.inputs")


def ends_with(source: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a source has one of these suffixes and is no folder.

    >>> ends_with("photos-{000..009}.TAR", (".tar",))
    True
    """
    return source.lower().endswith(suffixes) and not Path(source).is_dir()


def problem_of(error: DataError, name: str, *said: str) -> ImageError:
    """A problem of a whole source as that of one row.

    Args:
        error: What was raised.
        name: Of the row.
        said: What its sentence may begin with.

    >>> print(problem_of(DataError("a.tar - damaged - cut off - copy it"), "b/a.tar", "a.tar"))
    b/a.tar - damaged - cut off - copy it
    """
    sentence = str(error)
    for start in said:
        sentence = sentence.removeprefix(f"{start} - ")
    what, given, todo = [*sentence.split(" - "), "", ""][:3]
    return refuse(name, what, given, todo)
