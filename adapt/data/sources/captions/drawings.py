"""The embedded drawings as pairs: each is captioned by its own name, such as `cat`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from adapt.data.sources.base import source
from adapt.data.sources.captions.pairs import CAPTION, UNLABELLED
from adapt.data.sources.embedded import EmbeddedSource, from_embedded
from adapt.data.sources.image_list import ImageList


@source("embedded_pairs")
@dataclass
class EmbeddedPairsSource(EmbeddedSource):
    """A data set that ships with `adapt`, as images with captions."""

    has_captions: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.retention:
            raise ValueError("retention - pairs have no classes - true - remove it")
        super().__post_init__()

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; two captions each, from the names of their files."""
        images = from_embedded(self.name, self.domain, self.split or default_split)
        names = [name_of(path) for path in images.paths]
        captions = [f"{name}\nan icon of a {name}" for name in names]
        labels = [UNLABELLED] * len(images)
        return replace(images, labels=labels, classes={}, columns={CAPTION: captions})


def name_of(path: str) -> str:
    """What a drawing shows, by the name of its file.

    >>> name_of("emoji/train/animal/noto--polar-bear.png")
    'polar bear'
    """
    return Path(path).stem.rpartition("--")[2].replace("-", " ")
