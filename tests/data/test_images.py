"""`Images` offers every reader as a class method."""

import inspect
from dataclasses import asdict
from pathlib import Path

from adapt.data.images import Images
from adapt.data.sources import archives, combine, embedded, folders, hub, shards, tables

READERS = {
    "from_archive": archives, "combine": combine, "from_embedded": embedded,
    "from_folder": folders, "from_hub": hub, "from_shards": shards, "from_table": tables,
    "from_frame": tables,
}  # fmt: skip


def test_class_methods_are_the_readers(root: Path) -> None:
    for name, module in READERS.items():
        reader, method = getattr(module, name), getattr(Images, name)
        assert inspect.signature(method).parameters == inspect.signature(reader).parameters
        assert method.__doc__ == reader.__doc__
    images = Images.from_folder(root)
    assert type(images) is Images
    assert asdict(images) == asdict(folders.from_folder(root))
    assert type(images.subset([0])) is Images


def test_a_subclass_stays_itself(root: Path) -> None:
    class Photos(Images):
        """Images of somebody's own."""

    assert type(Photos.from_folder(root)) is Photos
