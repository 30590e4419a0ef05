"""Measurements and answers that are kept, by content and decoder; features are the store's.

Measurements are JSON, in 256 files by the first digits of the content hash, so that only the new
images of a set are measured. Whole answers are kept too. A file that cannot be read counts as
missing. Features lie in the store that runs use: what either has encoded is there for both.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from adapt.checks.findings.measure import Picture, measure
from adapt.common.arrays import SingleArray
from adapt.common.cache import cache_folder
from adapt.common.content import (
    code_version,
    content_hash,
    library_version,
    source_files,
    source_hash,
)
from adapt.common.files import write_json, write_whole
from adapt.data.decoding.formats import suffix_fits
from adapt.version import __version__

if TYPE_CHECKING:
    from adapt.models.backbones import Backbone

ELSEWHERE = "set ADAPT_CACHE to another folder"
CHUNK = 512
"""Images decoded before they are encoded and stored: this many are in memory at once."""
SHARD = 2
"""Digits of the hash that name a file of the cache."""
DECODER = ("adapt.data.decoding",)
LIBRARIES = ("Pillow", "pillow-heif", "opencv-python-headless")
MEASURES = ("adapt.checks.findings.measure", "adapt.checks.findings.thumbnails")
CHECKS = ("adapt.checks", "adapt.data.labels", "adapt.training.logistic", "adapt.training.newton")


@cache
def decoder_version() -> str:
    """Changes whenever images may be decoded or measured differently than before."""
    return code_version((*DECODER, *MEASURES), LIBRARIES)[:24]


def _short_hash(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


def weights_key(arch: str, pretrained: str) -> str:
    """A name for the weights of a model, made without loading them.

    It depends on the content of the embedded model, files and folders; a tag names its weights.

    >>> weights_key("ViT-B-32", "openai") == weights_key("ViT-B-32", "laion2b_s34b_b79k")
    False
    """
    given = [Path(pretrained), Path(arch.removeprefix("local-dir:"))]
    if pretrained == "embedded":
        folder = source_files("adapt.models.backbones")[0].parent / "embedded"
        given = [folder / f"{arch}.safetensors"]
    files = [path for path in given if path.is_file()]
    files += [path for folder in given if folder.is_dir() for path in sorted(folder.iterdir())]
    content = [content_hash(path) for path in files if path.is_file()]
    return _short_hash([arch, pretrained, library_version("open_clip_torch"), content])


@dataclass
class Encoder:
    """A model whose image features are kept under the name of its weights."""

    key: str
    load: "Callable[[], Backbone]"
    """Gives the model; called only when a feature is missing."""


@dataclass
class Measured:
    """What was measured on each image, in the order of the images."""

    pictures: list[Picture]
    features: SingleArray | None
    """Unit features (N, D); zeros where an image cannot be read. None without an encoder."""


class Progress:
    """Reports progress: `tell` gets the name of a step, how much is done, and the total."""

    def __init__(self, tell: Callable[[str, int, int], None] | None) -> None:
        self.tell = tell

    def step(self, name: str, total: int, before: int = 0) -> Callable[[int], None]:
        """A function to call with the number of images of this step that are done."""
        return lambda done: self.tell(name, before + done, total) if self.tell else None


def measured(
    paths: Sequence[str], hashes: Sequence[str], encoder: Encoder | None, progress: Progress
) -> Measured:
    """Measure and encode every image that is not in the cache, each content once.

    Args:
        paths: N files.
        hashes: Content hash of each; empty when the file cannot be read.
        encoder: Makes the features; None for no features.
        progress: Gets the number of images that are done.

    Returns:
        Pictures and features in the order of the paths.

    Raises:
        RunError: When the cache cannot be written.
    """
    first = {digest: path for digest, path in zip(hashes, paths, strict=True) if digest}
    store = _Store(encoder)
    missing = store.read(sorted(first))
    done = len(first) - len(missing)
    step = progress.step("reading images", len(first), done)
    step(0)
    for start in range(0, len(missing), CHUNK):
        part = missing[start : start + CHUNK]
        store.add(part, [first[digest] for digest in part], _from(step, start))
    pictures = [
        _as_named(store.pictures[digest], path) if digest else measure([path])[0]
        for digest, path in zip(hashes, paths, strict=True)
    ]
    return Measured(pictures, store.gathered(hashes))


def _from(step: Callable[[int], None], start: int) -> Callable[[int], None]:
    return lambda done: step(start + done)


def _as_named(picture: Picture, path: str) -> Picture:
    """A content may have been measured under another name; whether the suffix fits may differ."""
    if picture.error is not None:
        return picture
    return replace(picture, suffix_matches=suffix_fits(path, picture.format))


class _Store:
    """Measurements by content hash, in memory and on disk, and the store of the features."""

    def __init__(self, encoder: Encoder | None) -> None:
        self.pictures: dict[str, Picture] = {}
        self.folder = cache_folder("check", f"measured-{decoder_version()}")
        self.features = None if encoder is None else _Features(encoder)

    def read(self, wanted: list[str]) -> list[str]:
        """Load what is stored for these hashes; return the others."""
        for shard in sorted({digest[:SHARD] for digest in wanted}):
            known = read_json(self.folder / f"{shard}.json")
            here = [digest for digest in wanted if digest[:SHARD] == shard and digest in known]
            self.pictures |= {digest: _picture(known[digest]) for digest in here}
        broken = {key for key, picture in self.pictures.items() if picture.error is not None}
        missing = [digest for digest in wanted if digest not in self.pictures]
        if self.features is not None:
            missing += self.features.missing([key for key in wanted if key not in broken])
        return sorted(set(missing))

    def add(self, hashes: list[str], paths: list[str], step: Callable[[int], None]) -> None:
        """Decode, measure, encode and store a chunk."""
        if self.features is None:
            pictures = measure(paths, None, step)
        else:
            pictures = self.features.add(hashes, paths, step)
        self.pictures |= dict(zip(hashes, pictures, strict=True))
        for shard in sorted({digest[:SHARD] for digest in hashes}):
            path = self.folder / f"{shard}.json"
            new = {key: asdict(self.pictures[key]) for key in hashes if key[:SHARD] == shard}
            write_json(path, read_json(path) | new)

    def gathered(self, hashes: Sequence[str]) -> SingleArray | None:
        """Features (N, D), zeros where an image cannot be read; None without an encoder."""
        if self.features is None:
            return None
        good = [row for row, key in enumerate(hashes) if key and self.pictures[key].error is None]
        known = self.features.of([hashes[row] for row in good])
        rows = np.zeros((len(hashes), known.shape[1]), np.float32)
        rows[good] = known
        return rows


class _Features:
    """Features of one encoder in the store that runs use, asked for without loading the encoder."""

    def __init__(self, encoder: Encoder) -> None:
        from adapt.training.features import store

        self.encoder, self.store = encoder, store.FeatureStore(cache_folder("features"))
        made_by = _short_hash([encoder.key, store.decoder_version()])
        self.path = cache_folder("check", "spaces", f"{made_by}.json")
        self.space = str(read_json(self.path).get("space", ""))
        """Its name in the store. Only the weights tell it: it is kept for when none are loaded."""

    def missing(self, hashes: list[str]) -> list[str]:
        """Those whose features are not known."""
        if not self.space or self.store.missing(self.space, hashes):
            backbone = self.encoder.load()
            self.space = self.store.space(backbone, backbone.preprocessing)
            write_json(self.path, {"space": self.space})
        return [hashes[row] for row in self.store.missing(self.space, hashes)]

    def add(
        self, hashes: list[str], paths: list[str], step: Callable[[int], None]
    ) -> list[Picture]:
        """Decode each image once, to measure and to encode it."""
        from adapt.training.features.pixels import Pixels
        from adapt.training.settings import Runtime

        backbone = self.encoder.load()
        preprocessing = backbone.preprocessing
        values = np.zeros((len(paths), preprocessing.size, preprocessing.size, 3), np.uint8)

        def keep(index: int, image: Image.Image) -> None:
            values[index] = np.asarray(preprocessing.resize(image))

        pictures = measure(paths, keep, step)
        good = [row for row, picture in enumerate(pictures) if picture.error is None]
        pixels = Pixels.of(values, preprocessing, hashes).subset(good)
        self.store.features(backbone, pixels, Runtime())
        return pictures

    def of(self, hashes: list[str]) -> SingleArray:
        """Features (N, D) of images that were encoded."""
        if not hashes:
            return np.zeros((0, 0), np.float32)
        features: SingleArray = self.store.known(self.space, hashes).numpy()
        return features


def _picture(stored: Mapping[str, Any]) -> Picture:
    return Picture(**{**stored, "notes": tuple(stored["notes"])})


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of the cache; empty when there is none, or when it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_head(key: str) -> SingleArray | None:
    """A stored zero-shot head (K, D), by the name of its model and prompts."""
    try:
        head: SingleArray = load_file(_head_path(key))["head"]
    except (OSError, SafetensorError, KeyError):
        return None
    return head


def write_head(key: str, head: SingleArray) -> None:
    """Keep a zero-shot head; see `read_head`."""
    stored = {"head": np.ascontiguousarray(head)}
    write_whole(_head_path(key), lambda part: save_file(stored, part), elsewhere=ELSEWHERE)


def _head_path(key: str) -> Path:
    return cache_folder("check", "heads", f"{key}.safetensors")


def answer_path(question: object) -> Path:
    """The file for the answer to a question.

    Args:
        question: Everything that the answer depends on, as plain containers.
    """
    key = [__version__, decoder_version(), source_hash(CHECKS), question]
    return cache_folder("check", "answers", f"{_short_hash(key)}.json")
