"""The check that every run makes while it reads images: without a model, few images read twice.

It finds exact copies, conflicts, leaks, classes of unequal size, unreadable names, what decoding
has shown (formats, shapes, colours), and near copies between train and test that a hash of 64 bits
proposes. `adapt check` finds more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from adapt.checks.findings.balance import balance_findings
from adapt.checks.findings.copies import Copies, find_copies
from adapt.checks.findings.copy_findings import copy_findings, leaked_indices
from adapt.checks.findings.faults import decoding_findings
from adapt.checks.findings.file_names import file_name_findings
from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import decoded_picture, measure
from adapt.checks.findings.names import name_findings
from adapt.checks.record import addressed, finding_entry, in_order, write_check
from adapt.data.decoding.open import Facts
from adapt.data.labels.label_sets import JOINER
from adapt.data.sources.captions.pairs import has_pairs
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.data.splits.stored import UNUSED
from adapt.recipe.data import RunData
from adapt.version import __version__

BITS = 64
NEAREST = 5
"""Two images are compared when their hashes differ in at most this many bits."""
SUSPECTS = 0.005
"""Maximum number of pairs of images read a second time, as a fraction of the images."""
FEW = 50
"""This many pairs are allowed for any number of images."""
MOST = 4_000_000_000
"""Maximum number of pairs of hashes to compare; with more, only exact copies are found."""
BLOCK = 1024
SHOWN = 3


class ImageHashes:
    """Difference hashes of images, and what they are, taken while they are decoded anyway.

    Eight rows of nine grey cells; a bit says whether a cell is brighter than the one before.
    """

    def __init__(self) -> None:
        self.hashes: dict[str, bytes] = {}
        self.facts: dict[str, Facts] = {}

    def add(self, path: str, image: Image.Image, facts: Facts) -> None:
        """Store hash and facts of an image under its path; may be called from several threads."""
        self.facts[path] = facts
        small = image.resize((9, 8), Image.Resampling.BOX, reducing_gap=1.0).convert("L")
        grey = np.asarray(small, np.int16)
        self.hashes[path] = np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


@dataclass
class QuickCheck:
    """The result of the check of a run."""

    content: dict[str, Any]
    """As in the `check.json` of `adapt check`."""
    notes: list[str]
    """For the report, leaks first."""
    leaked: dict[str, list[int]]
    """By eval with leaks, positions of its images that have a copy in train or val."""

    def write(self, folder: Path) -> Path:
        """Write `check.json`; see `adapt.checks.record.write_check`."""
        return write_check(folder, self.content)


def quick_check(data: RunData, hashes: ImageHashes, recipe: str) -> QuickCheck:
    """Find what is wrong with the images of a run, as far as reading them has shown.

    Args:
        data: Of the run; its exact leaks are in its notes already.
        hashes: Taken while the images were read.
        recipe: Path of the recipe, for the commands that fix the findings.

    Raises:
        DataError: When a file can no longer be read.
    """
    natural = {name: images for name, images in data.evals.items() if images.shift is None}
    held = {} if data.fit.val is None else {"val": data.fit.val}
    sets = {"train": data.fit.train} | held | natural
    paths = [path for images in sets.values() for path in images.paths]
    entries = [(name, row) for name in sets for row in data.manifest["splits"][name]]
    places = [Place(name, row["path"], row["label"]) for name, row in entries]
    copies = _copies(paths, [row["sha256"] for _, row in entries], places, hashes)
    names = [data.fit.train.classes[key] for key in data.fit.class_names]
    # Images with captions have no classes that could lack images.
    counts = {} if has_pairs(data.fit.train) else _counts(data, natural)
    shown = [
        decoded_picture(path, row["sha256"], hashes.facts.get(path))
        for path, (_, row) in zip(paths, entries, strict=True)
    ]
    others = [*_sizes(data, counts), *name_findings(names)]
    others += [*decoding_findings(shown, places), *file_name_findings(places)]
    findings = in_order([*copy_findings(copies, places), *others])
    pictures = {
        (place.split, place.path): picture for place, picture in zip(places, shown, strict=True)
    }
    content: dict[str, Any] = {
        "format": 1,
        "adapt": __version__,
        "name": "run",
        "model": None,
        "sets": {
            name: {
                "images": len(images),
                "readable": len(images),
                "classes": len(images.class_names),
            }
            for name, images in sets.items()
        },
        "classes": data.fit.class_names,
        "notes": [],
        "leak_free": {},
        "findings": [finding_entry(finding, pictures) for finding in findings],
    }
    leaked = {name: rows for name, rows in leaked_indices(copies, places).items() if rows}
    content = addressed(content, recipe)
    return QuickCheck(content, _notes(content["findings"]), leaked)


def _counts(data: RunData, natural: Mapping[str, ImageList]) -> dict[str, dict[str, int]]:
    """Images per class: of all that train and val were taken from, and of each eval."""
    pool = [
        row
        for part in (data.manifest["splits"], data.manifest)
        for name in (*FIT_SPLITS, UNUSED)
        for row in part.get(name, [])
    ]
    evals = {name: images.counts() for name, images in natural.items()}
    labels = [row["label"] for row in pool]
    if data.fit.several_labels:
        labels = [label for joined in labels for label in joined.split(JOINER) if label]
    return {"train": dict(Counter(labels))} | evals


def _sizes(data: RunData, counts: Mapping[str, dict[str, int]]) -> list[Finding]:
    return balance_findings(counts, splits_itself=True, several=data.fit.several_labels)


def _notes(findings: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each finding except exact leaks, which reading the data has named."""
    notes = []
    for finding in findings:
        start = "LEAK: " if finding["kind"] == "near_leak" else ""
        example = [
            f"{place['split']}/{place['path']}"
            for places in finding["places"][:1]
            for place in places[:SHOWN]
        ]
        first = f", such as {' = '.join(example)}" if example else ""
        if finding["kind"] != "leak":
            notes.append(f"{start}{finding['message']}{first}. To fix it: {finding['fix']}")
    return sorted(notes, key=lambda note: not note.startswith("LEAK"))


def _copies(
    paths: Sequence[str], hashes: Sequence[str], places: Sequence[Place], seen: ImageHashes
) -> Copies:
    """Exact copies of all, and near copies between train or val and the evals."""
    number: dict[str, int] = {}
    content = np.array([number.setdefault(digest, len(number)) for digest in hashes], np.int64)
    first = {digest: index for index, digest in reversed(list(enumerate(hashes)))}
    rows = np.array([first[digest] for digest in number], np.int64)
    fit = {number[digest] for digest, place in zip(hashes, places, strict=True) if _fits(place)}
    other = set(range(len(number))) - fit
    near = _suspects([seen.hashes.get(paths[row], b"") for row in rows], fit, other)
    again = np.unique(near)
    few = find_copies(measure([paths[rows[content_number]] for content_number in again]))
    # From the contents of these few images back to the contents of all.
    known = np.empty(len(again), np.int64)
    known[few.content[few.content >= 0]] = again[few.content >= 0]
    pairs = np.sort(known[few.pairs], axis=1)
    leaks = np.array([(left in fit) != (right in fit) for left, right in pairs.tolist()], bool)
    return Copies(content, pairs[leaks], few.differences[leaks])


def _fits(place: Place) -> bool:
    return place.split in FIT_SPLITS


def _suspects(hashes: Sequence[bytes], fit: set[int], other: set[int]) -> npt.NDArray[np.int64]:
    """Pairs of a content of `fit` and one of `other` with nearly the same hash, nearest first."""
    # A hash without a bit belongs to a blank image, and all blank images look alike.
    seen = {index for index, digest in enumerate(hashes) if any(digest)}
    left, right = sorted(fit & seen), sorted(other & seen)
    none = np.zeros((0, 2), np.int64)
    if not left or not right or len(left) * len(right) > MOST:
        return none
    signs, near = _signs([hashes[index] for index in left]), [none]
    far: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for start in range(0, len(right), BLOCK):
        part = right[start : start + BLOCK]
        distance = (BITS - _signs([hashes[index] for index in part]) @ signs.T) / 2
        rows, columns = np.nonzero(distance <= NEAREST)
        near.append(np.stack([np.array(left)[columns], np.array(part)[rows]], 1))
        far.append(distance[rows, columns].astype(np.int64))
    pairs, distances = np.concatenate(near), np.concatenate(far)
    most = max(FEW, int(SUSPECTS * len(hashes)))
    return pairs[np.argsort(distances, kind="stable")[:most]]


def _signs(hashes: Sequence[bytes]) -> npt.NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, BITS // 8), axis=1)
    return (2 * bits.astype(np.float32)) - 1
