"""The same few images in every form they come in: folder, tables, archives, shards, hub sets."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.errors import DataError

CLASSES = ("cat", "dog", "sea_lion")
Files = list[tuple[str, bytes]]


def image_bytes(seed: int, kind: str = "PNG") -> bytes:
    """A small picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    with io.BytesIO() as stream:
        Image.fromarray(pixels).save(stream, format=kind)
        return stream.getvalue()


def class_files(each: int = 6, classes: Sequence[str] = CLASSES, seed: int = 0) -> Files:
    """Names such as `cat/03.png` and the bytes of each, some of them JPEG."""
    return [
        (f"{name}/{i:02d}.{'jpg' if i % 3 == 2 else 'png'}",
         image_bytes(seed + 100 * c + i, "JPEG" if i % 3 == 2 else "PNG"))
        for c, name in enumerate(classes) for i in range(each)
    ]  # fmt: skip


def write_folder(root: Path, files: Files) -> Path:
    for name, content in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def table_of(files: Files) -> pd.DataFrame:
    return pd.DataFrame(
        {"path": [name for name, _ in files], "label": [name.split("/")[0] for name, _ in files]}
    )


def write_zip(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = size, kind, link
    return entry


def write_tar(path: Path, files: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files:
            archive.addfile(member(name, len(content)), io.BytesIO(content))
    return path


def write_shards(folder: Path, files: Files, per_shard: int = 5, label: str = "cls") -> Path:
    """As the ShardWriter of webdataset does: `key.png`, `key.cls`, `key.json` in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(files), per_shard):
        members: Files = []
        for number, (name, content) in enumerate(files[start : start + per_shard], start=start):
            text = name.split("/")[0]
            if label == "index":
                text = str(CLASSES.index(text))
            if label == "json":
                text = json.dumps({"label": text, "site": f"s{number % 2}"})
            kind = {"index": "cls"}.get(label, label)
            members.append((f"{number:06d}.{name.rsplit('.')[-1]}", content))
            members.append((f"{number:06d}.{kind}", text.encode()))
        write_tar(folder / f"photos-{start // per_shard:03d}.tar", members)
    return folder


IMAGE = {"_type": "Image"}
LABEL = {"names": list(CLASSES), "_type": "ClassLabel"}
FEATURES: dict[str, Any] = {"image": IMAGE, "label": LABEL}


def hub_table(files: Files, **more: Any) -> pa.Table:
    """The Arrow table of `Dataset.from_dict` with an Image and a ClassLabel column."""
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    images = [{"bytes": content, "path": name.split("/")[1]} for name, content in files]
    labels = [CLASSES.index(name.split("/")[0]) for name, _ in files]
    columns = {"image": pa.array(images, kind), "label": pa.array(labels, pa.int64())}
    return pa.table(columns | more)


def hub_metadata(table: pa.Table, features: dict[str, Any]) -> pa.Table:
    """As `ArrowWriter` and `to_parquet` put it into the schema."""
    told = json.dumps({"info": {"features": features}})
    return table.replace_schema_metadata({"huggingface": told})


def save_to_disk(
    folder: Path, table: pa.Table, features: dict[str, Any], split: str = "train", shards: int = 2
) -> Path:
    """As `Dataset.save_to_disk` writes it: Arrow streams of several batches, info and state."""
    folder.mkdir(parents=True)
    table = hub_metadata(table, features)
    names = [f"data-{i:05d}-of-{shards:05d}.arrow" for i in range(shards)]
    step = -(-len(table) // shards)
    for i, name in enumerate(names):
        with pa.RecordBatchStreamWriter(str(folder / name), table.schema) as writer:
            writer.write_table(table.slice(i * step, step), max_chunksize=4)
    state = {
        "_data_files": [{"filename": name} for name in names],
        "_fingerprint": "8c1ac9a4b0a2d1f3",
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    (folder / "state.json").write_text(json.dumps(state, indent=2, sort_keys=True))
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2))
    return folder


def save_dict(folder: Path, splits: dict[str, pa.Table], features: dict[str, Any]) -> Path:
    """As `DatasetDict.save_to_disk` writes it."""
    for split, table in splits.items():
        save_to_disk(folder / split, table, features, split, shards=1)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def write_parquet(path: Path, table: pa.Table, features: dict[str, Any] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(hub_metadata(table, features) if features else table, path, row_group_size=7)
    return path


def refused(function: Callable[..., object], *arguments: object, **options: object) -> str:
    """The sentence with which a call is refused."""
    with pytest.raises(DataError) as caught:
        function(*arguments, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


def relatives(images: ImageList) -> list[str]:
    """Paths of all images below their root."""
    return [images.relative(index) for index in range(len(images))]


def draw(path: Path, shade: int = 0) -> None:
    """A small image of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (shade, 0, 0)).save(path)


def folder(root: Path, counts: dict[str, int]) -> Path:
    for label, count in counts.items():
        (root / label).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (2, 2), (number, 0, 0)).save(root / label / f"{number}.png")
    return root


def table(root: Path, header: str, rows: list[str]) -> ImageList:
    """Images 0.png, 1.png, ... of a table whose rows begin with the label."""
    (root / "i").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, row in enumerate(rows):
        Image.new("RGB", (2, 2), (number, 9, 0)).save(root / "i" / f"{number}.png")
        lines.append(f"i/{number}.png,{row}")
    (root / "labels.csv").write_text("\n".join([f"path,label,{header}", *lines]))
    return from_table(root / "labels.csv")
