"""Images that ship with `adapt`: a small data set of drawings, and the readers of its domains."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from adapt.common.cache import cache_folder
from adapt.common.files import write_text, write_whole
from adapt.common.ranges import Ranges, within
from adapt.data.decoding.open import open_image
from adapt.data.labels.classes import read_classes
from adapt.data.labels.label_sets import joined
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import from_folder, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.errors import DataError, did_you_mean

EMBEDDED = Path(__file__).parents[1] / "embedded"
SIDE, CELL = 96, 44
"""Pixels of a scene and of a drawing in it."""
LEAST, MOST = 2, 4
"""Drawings in one scene."""


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


@source("scenes")
@dataclass
class ScenesSource(Source):
    """Scenes of two to four embedded drawings each: several labels per image, to try with."""

    ranges = Ranges(images=within(1, 10_000))

    domain: str = "emoji"
    """Of the pictograms, such as `emoji` or `outline`."""
    split: str | None = None
    """Whose drawings: `train` or `test`; what the source is used for when not given."""
    images: int = 400
    """How many scenes, the same in every run."""

    @property
    def several_labels(self) -> bool:
        """True."""
        return True

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The scenes; see `from_scenes`."""
        return from_scenes(self.domain, self.split or default_split, self.images)


def from_scenes(domain: str, split: str, count: int = 400) -> ImageList:
    """Scenes of two to four drawings of different classes, on light noise; made once, in the cache.

    Args:
        domain: Of the pictograms.
        split: Whose drawings: `train` or `test`.
        count: How many scenes; more of them begin with the same ones.

    Returns:
        Images with several labels.

    Raises:
        DataError: When there is no such domain or split.
    """
    drawings = from_embedded("pictograms", domain, split)
    folder = cache_folder("unpacked", f"scenes-{domain}-{split}-{count}")
    table = folder / "labels.csv"
    if not table.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows = [_write_scene(folder, drawings, number) for number in range(count)]
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([("path", "labels"), *rows])
        write_text(table, text.getvalue())
    return from_table(table, classes=drawings.classes, separator="|")


def _write_scene(folder: Path, drawings: ImageList, number: int) -> tuple[str, str]:
    """Draw a scene; returns its file and its labels."""
    random = np.random.default_rng([LEAST, MOST, number])
    names = drawings.class_names
    chosen = random.choice(len(names), int(random.integers(LEAST, MOST + 1)), replace=False)
    scene = Image.fromarray(random.integers(235, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    for place, label in zip(random.permutation(4).tolist(), chosen.tolist(), strict=False):
        own = [row for row, name in enumerate(drawings.labels) if name == names[label]]
        drawn = open_image(drawings.paths[own[int(random.integers(len(own)))]])
        corner = (SIDE // 2 * (place % 2) + 2, SIDE // 2 * (place // 2) + 2)
        scene.paste(drawn.resize((CELL, CELL), Image.Resampling.BICUBIC), corner)
    file = f"{number:04d}.png"
    write_whole(folder / file, lambda part: scene.save(part, "PNG"))
    return file, joined(sorted(names[label] for label in chosen.tolist()))
