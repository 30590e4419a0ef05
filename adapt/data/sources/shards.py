"""WebDataset shards: tar files in which members of equal name up to the first dot are one sample.

A sample is an image (`.jpg`, `.png`, ...) and its label: `.cls` (a class index or name), `label`
in `.json`, or `.txt`, the first of these that is there.
"""

import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from adapt.common.typed import FILE, FILES, path_to, resolve_path
from adapt.data.labels.classes import check_names, normal
from adapt.data.labels.multi_label import several_labels
from adapt.data.labels.naming import GivenClasses
from adapt.data.labels.suffixes import SHARD_SUFFIXES
from adapt.data.sources.archives import Member, check_kind, read_members
from adapt.data.sources.base import Source, source
from adapt.data.sources.folders import IMAGE_SUFFIXES, is_junk
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.split_names import choose_split
from adapt.data.sources.tables import from_frame
from adapt.data.sources.unpacked import IndexTable, Writer, unpack_once
from adapt.errors import DataError, did_you_mean

TEXT_FIELDS = ("cls", "txt", "json")
MAX_TEXT = 1 << 20
MAX_SHARDS = 100_000
META = re.compile(r"__[^/]*__($|/)")
NAMES = re.compile(r"(?P<key>(?:.*/)?[^./]+)\.(?P<field>[^/]+)")
CAPTIONS = 20
"""From this many different texts on, each used once or twice, they are captions and not labels."""


@dataclass
class Sample:
    """Members of equal name up to the first dot."""

    name: str
    """For messages."""
    key: str
    image: str = ""
    """Where the image is below the folder that is written to; empty without one."""
    texts: dict[str, bytes] = field(default_factory=dict)
    """What else it holds, by suffix."""


def expand_braces(pattern: str) -> list[str]:
    """All names a pattern stands for: `{000..009}` counts, `{a,b}` lists.

    Raises:
        DataError: When a brace holds neither, or there are too many names.

    >>> expand_braces("{train,val}-{08..10}.tar")[:4]
    ['train-08.tar', 'train-09.tar', 'train-10.tar', 'val-08.tar']
    """
    pieces = re.split(r"\{([^{}]*)\}", pattern)
    choices: list[list[str]] = []
    for place, piece in enumerate(pieces):
        counted = re.fullmatch(r"(\d+)\.\.(\d+)", piece) if place % 2 else None
        if counted:
            first, last = counted.groups()
            width = max(len(first), len(last)) if "0" in (first[0], last[0]) else 0
            numbers = range(int(first), int(last) + 1)
            if not 0 < len(numbers) <= MAX_SHARDS:
                given = f"{len(numbers)} names from {{{piece}}}"
                raise DataError(f"{pattern} - not a list of shards - {given} - check the numbers")
            choices.append([f"{number:0{width}d}" for number in numbers])
        elif place % 2 and "," not in piece:
            advice = "write {000..009} or {a,b}"
            raise DataError(f"{pattern} - not a list of shards - {{{piece}}} - {advice}")
        else:
            choices.append(piece.split(",") if place % 2 else [piece])
    names = itertools.islice(itertools.product(*choices), MAX_SHARDS + 1)
    expanded = ["".join(name) for name in names]
    if len(expanded) > MAX_SHARDS:
        advice = f"give {MAX_SHARDS} at most"
        raise DataError(f"{pattern} - too many shards - more than {MAX_SHARDS} - {advice}")
    return expanded


def find_shards(path: str | Path, split: str | None = None) -> list[str]:
    """The shards a path stands for: a pattern with braces, a folder, or one file.

    Args:
        path: Such as `photos-{000..009}.tar`, `photos/` or `photos.tar`.
        split: Only those of this split, by the names of folders and files.

    Returns:
        Paths: sorted for a folder, otherwise in the order of the pattern.

    Raises:
        DataError: When one is missing, there is none, or a folder holds several splits.
    """
    path = resolve_path(path)
    source = str(path)
    if not os.path.lexists(source) and "{" in source:
        files = expand_braces(source)
    elif Path(path).is_dir():
        below = (file.relative_to(path) for file in Path(path).rglob("*"))
        names = sorted(file.as_posix() for file in below if not any(map(is_junk, file.parts)))
        names = [name for name in names if name.lower().endswith(SHARD_SUFFIXES)]
        if not names:
            raise DataError(f"{source} - no shards - no .tar in this folder - check the path")
        return [str(Path(path, name)) for name in choose_split(source, names, split)]
    else:
        files = [source]
    missing = [file for file in files if not Path(file).is_file()]
    if missing:
        given = f"{len(missing)} of {len(files)}, the first is {missing[0]}"
        advice = "check the path and the numbers"
        raise DataError(f"{source} - shards are missing - {given} - {advice}")
    return files if split is None else choose_split(source, files, split)


def from_shards(
    path: str | Path,
    split: str | None = None,
    class_list: str | Path | Sequence[str] | None = None,
    classes: GivenClasses = None,
) -> ImageList:
    """Images of WebDataset shards, unpacked once into the cache.

    Plain values in `.json` become columns; so does `.txt`, as `caption`, where the label comes
    from elsewhere.

    Args:
        path: See `find_shards`.
        split: Only the shards of this split.
        class_list: Class names in the order of their indices: a text file with one per line, or
            a list. Without it an index is taken for a name.
        classes: Words and prompts of the classes: a YAML file or a dict.

    Returns:
        Images sorted by class, then path.

    Raises:
        DataError: When a shard is missing, damaged or not safe to unpack, or a sample has no label
            or several.
    """
    source = str(resolve_path(path))
    names = read_class_list(class_list) if class_list is not None else None
    shards = dict(zip(short_names(files := find_shards(path, split)), files, strict=True))
    unpacked = unpack_once(
        source, list(shards.items()), ["shards"], lambda writer: _unpack(writer, shards)
    )
    frame = pd.read_parquet(unpacked.index)
    if names is not None:
        pairs = zip(frame["path"], frame["label"], strict=True)
        frame["label"] = [_class_name(source, sample, label, names) for sample, label in pairs]
    images = from_frame(frame, unpacked.files, None, classes)
    images.notes = unpacked.notes + images.notes
    return images


@source("shards")
@dataclass
class ShardsSource(Source):
    """WebDataset shards."""

    path: str = path_to(FILES, needed=True)
    """A pattern such as `photos-{000..009}.tar`, a folder, or one tar."""
    split: str | None = None
    """Shards to take, by the names of folders and files."""
    class_list: str | None = path_to(FILE)
    """Text file of class names in the order of their indices, one per line."""

    def read(self, classes: str | None, default_split: str) -> ImageList:
        """The images; see `from_shards`."""
        return from_shards(self.path, self.split, self.class_list, classes)


def read_class_list(class_list: str | Path | Sequence[str]) -> list[str]:
    """Class names in the order of their indices.

    Args:
        class_list: A text file with one name per line, of which the first has index 0; or a list.

    Raises:
        DataError: When the file cannot be read, or a name is empty or there twice; see
            `check_names`.
    """
    where = "class list"
    if isinstance(class_list, (str, Path)):
        where = str(class_list)
        try:
            text = resolve_path(class_list).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            advice = "give a text file with one class per line"
            raise DataError(f"{where} - cannot be read - {error} - {advice}") from error
        class_list = re.split(r"\r\n|\r|\n", text.rstrip())
    return [normal(name.strip()) for name in check_names(class_list, where)]


def _class_name(source: str, sample: str, label: str, names: list[str]) -> str:
    where = f"{source}, sample {sample!r}"
    if re.fullmatch(r"\d+", label):
        if int(label) < len(names):
            return names[int(label)]
        given = f"{label} for {len(names)} classes"
        raise DataError(f"{where} - no such class - {given} - check the class list")
    if label not in names:
        hint = did_you_mean(label, names)
        raise DataError(f"{where} - not in the class list - {label!r}{hint} - add it or correct it")
    return label


def short_names(files: list[str]) -> list[str]:
    """Names of the shards' folders: file names, with the folders that differ."""
    top = os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])  # noqa: PTH100, PTH120
    below = [Path(os.path.relpath(file, top)).as_posix() for file in files]
    return [re.sub(r"\.(tar(\.\w+)?|tgz)$", "", name, flags=re.IGNORECASE) for name in below]


def _unpack(writer: Writer, shards: dict[str, str]) -> list[str]:
    index, left_out = IndexTable(writer.source), Counter[str]()
    distinct: Counter[str] = Counter()
    for name, path in shards.items():
        for sample in read_samples(writer, name, path, left_out):
            if not sample.image:
                left_out["samples without an image"] += 1
                continue
            label, others, by_text = _label(sample)
            distinct[label] += by_text
            index.add(sample.name, sample.image, label, others)
    if len(+distinct) > max(CAPTIONS, distinct.total() / 2):
        given = f"{len(+distinct)} different texts for {distinct.total()} images"
        advice = "write the class into .cls, or `label` into .json"
        raise DataError(f"{writer.source} - .txt holds captions, not labels - {given} - {advice}")
    index.write(writer.folder.parent)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(left_out.items()))
    return [f"members that are not used: {kinds}"] if left_out else []


def read_samples(writer: Writer, shard: str, path: str, left_out: Counter[str]) -> Iterator[Sample]:
    """The samples of one shard, each image written already.

    Args:
        writer: Writes the images.
        shard: Folder of the images of this shard.
        path: The shard.
        left_out: Counts members that are not used, by what they are.

    Raises:
        DataError: When the shard is damaged, or a member is not safe to write.
    """
    sample: Sample | None = None
    for member in read_members(path):
        parts = writer.parts(member.name)
        if member.kind == "folder" or META.match(member.name) or any(map(is_junk, parts)):
            continue
        check_kind(writer, member)
        named = NAMES.fullmatch("/".join(parts))
        if named is None:
            left_out["without suffix"] += 1
            continue
        key, suffix = named["key"], named["field"].lower()
        if sample is None or key != sample.key:
            if sample is not None:
                yield sample
            sample = Sample(f"{path}, sample {key!r}", key)
        if not _keep(writer, shard, sample, suffix, member):
            left_out[f".{suffix}"] += 1
    if sample is not None:
        yield sample


def _keep(writer: Writer, shard: str, sample: Sample, suffix: str, member: Member) -> bool:
    kind = suffix.rpartition(".")[2]
    if f".{kind}" in IMAGE_SUFFIXES:
        if sample.image:
            given = f"{sample.image.rpartition('/')[2]} and .{suffix}"
            advice = "keep one (a sample's name ends at the first dot)"
            raise writer.refuse(member.name, "two images in one sample", given, advice)
        with member.open() as stream:
            sample.image = writer.write(f"{shard}/{sample.key}.{suffix}", stream, member.size)
        return True
    if kind not in TEXT_FIELDS:
        return False
    if kind in sample.texts:
        raise writer.refuse(member.name, "two members of equal name", f".{kind}", "keep one")
    if member.size > MAX_TEXT:
        given = f"{member.size} bytes"
        raise writer.refuse(member.name, "too large for a label", given, f"{MAX_TEXT} at most")
    with member.open() as stream:
        sample.texts[kind] = writer.read(member.name, stream, MAX_TEXT)
    return True


def _label(sample: Sample) -> tuple[str, dict[str, str], bool]:
    """Label and columns of a sample, and whether the label is its `.txt`."""
    texts = {kind: text_of(sample, kind) for kind in sample.texts}
    record = record_of(sample, texts["json"]) if "json" in texts else {}
    plain = {k: v for k, v in record.items() if isinstance(v, (str, int, float))}
    others = {normal(key.strip().lower()): str(value) for key, value in plain.items()}
    others.pop("label", None)
    if isinstance(record.get("labels"), list):
        raise several_labels(sample.name, f"labels {record['labels']!r:.80} in .json")
    label, by_text = texts.get("cls"), False
    if label is None and "label" in record:
        label = _json_label(sample, record["label"])
    if label is None and "txt" in texts:
        label, by_text = texts["txt"], True
    elif "txt" in texts:
        others["caption"] = texts["txt"]
    if not label:
        given = ", ".join(f".{kind}" for kind in texts) or "an image alone"
        advice = "add .cls, or `label` in .json, or .txt"
        raise DataError(f"{sample.name} - no label - {given} - {advice}")
    return normal(label), others, by_text


def text_of(sample: Sample, kind: str) -> str:
    """A text of a sample, without blanks around it.

    Raises:
        DataError: When it is not UTF-8.
    """
    try:
        return sample.texts[kind].decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        given = f"byte {error.start} of .{kind}"
        raise DataError(f"{sample.name} - not UTF-8 - {given} - write it as UTF-8") from error


def record_of(sample: Sample, text: str) -> dict[str, Any]:
    """The mapping that a `.json` holds; empty where it holds something else.

    Raises:
        DataError: When it is not JSON.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{sample.name} - not JSON - {error} - write .json again") from error
    return record if isinstance(record, dict) else {}


def _json_label(sample: Sample, label: object) -> str:
    if isinstance(label, (list, dict)):
        raise several_labels(sample.name, f"label {label!r:.80} in .json")
    if isinstance(label, (str, int)) and not isinstance(label, bool):
        return str(label).strip()
    kind = type(label).__name__
    advice = "write a name or a whole number"
    raise DataError(f"{sample.name} - no label - label in .json is {kind} - {advice}")
