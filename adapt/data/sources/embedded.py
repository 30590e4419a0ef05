"""Images that ship with `adapt`: a small data set of drawings, and the readers of its domains."""

from dataclasses import dataclass
from pathlib import Path

from adapt.data.labels.classes import read_classes
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import from_folder, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, did_you_mean

EMBEDDED = Path(__file__).parents[1] / "embedded"


def from_embedded(name: str, domain: str, split: str) -> ImageList:
    """Images that ship with `adapt`.

    Args:
        name: Data set, such as `pictograms`.
        domain: Such as `outline`.
        split: `train` or `test`.

    Returns:
        Images with the data set's own words.

    Raises:
        DataError: When there is no such set, domain or split; the message lists what there is.
    """
    folder = choose_folder("data set", name, EMBEDDED)
    names = folder / "classes.yaml"
    images = from_folder(
        choose_folder("split", split, choose_folder("domain", domain, folder)),
        read_classes(names) if names.is_file() else None,
    )
    # The embedded domains share one list of words; a class that one lacks is no mistake.
    images.notes = [note for note in images.notes if "named classes" not in note]
    return images


@source("embedded")
@dataclass
class EmbeddedSource(Source):
    """A data set that ships with `adapt`."""

    name: str
    """Name of the data set."""
    domain: str
    """Its domain, such as `outline`."""
    split: str | None = None
    """`train` or `test`; what the source is used for when not given."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_embedded`."""
        return from_embedded(self.name, self.domain, self.split or default_split)

    def title(self) -> str:
        """The domain, and the split."""
        return f"{self.domain}/{self.split}" if self.split else self.domain


def choose_folder(kind: str, given: str, folder: Path) -> Path:
    """The folder of that name in another one.

    Args:
        kind: What the folders are, for the message.
        given: Its name.
        folder: The folder above.

    Raises:
        DataError: When it is not there; the message lists what there is.
    """
    known: list[str] = []
    if folder.is_dir():
        known = sorted(p.name for p in folder.iterdir() if p.is_dir() and not is_junk(p.name))
    if given not in known:
        hint = did_you_mean(given, known)
        advice = f"choose from {', '.join(known) or 'none: nothing is installed'}"
        raise DataError(f"{folder} - no such embedded {kind} - {given!r}{hint} - {advice}")
    return folder / given
