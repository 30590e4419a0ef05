"""Labelled images from any source: the one public name that knows every reader."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import pandas as pd

from adapt.data.labels.naming import GivenClasses
from adapt.data.sources.archives import from_archive
from adapt.data.sources.combine import combine
from adapt.data.sources.embedded import from_embedded
from adapt.data.sources.folders import from_folder
from adapt.data.sources.hub import from_hub
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.shards import from_shards
from adapt.data.sources.tables import from_frame, from_table


class Images(ImageList):
    """A list of labelled images, opened one by one on demand; see `ImageList`.

    >>> Images.from_embedded("pictograms", "emoji", "test").class_names[:2]
    ['bell', 'bicycle']
    """

    @classmethod
    def _of(cls, images: ImageList) -> "Images":
        return cls(**{field.name: getattr(images, field.name) for field in fields(ImageList)})

    @classmethod
    def from_folder(cls, root: str | Path, classes: GivenClasses = None) -> "Images":
        """Images in one folder per class; see `adapt.data.sources.folders.from_folder`."""
        return cls._of(from_folder(root, classes))

    @classmethod
    def from_table(
        cls,
        path: str | Path,
        root: str | Path | None = None,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images listed in a CSV or Parquet file; see `adapt.data.sources.tables.from_table`."""
        return cls._of(from_table(path, root, split, classes))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        root: str | Path,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images listed in a pandas table; see `adapt.data.sources.tables.from_frame`."""
        return cls._of(from_frame(frame, root, split, classes))

    @classmethod
    def from_archive(
        cls,
        path: str | Path,
        table: str | None = None,
        split: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images in a zip or tar archive; see `adapt.data.sources.archives.from_archive`."""
        return cls._of(from_archive(path, table, split, classes))

    @classmethod
    def from_shards(
        cls,
        path: str | Path,
        split: str | None = None,
        class_list: str | Path | Sequence[str] | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images in WebDataset shards; see `adapt.data.sources.shards.from_shards`."""
        return cls._of(from_shards(path, split, class_list, classes))

    @classmethod
    def from_hub(
        cls,
        path: str | Path,
        split: str | None = None,
        image: str | None = None,
        label: str | None = None,
        classes: GivenClasses = None,
    ) -> "Images":
        """Images of a Hugging Face data set on disk; see `adapt.data.sources.hub.from_hub`."""
        return cls._of(from_hub(path, split, image, label, classes))

    @classmethod
    def combine(cls, parts: Sequence[ImageList], names: Sequence[str] | None = None) -> "Images":
        """Images of several sources as one; see `adapt.data.sources.combine.combine`."""
        return cls._of(combine(parts, names))

    @classmethod
    def from_embedded(cls, name: str, domain: str, split: str) -> "Images":
        """Images that ship with `adapt`; see `adapt.data.sources.embedded.from_embedded`."""
        return cls._of(from_embedded(name, domain, split))
