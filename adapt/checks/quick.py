"""The check that every run makes on the way: no model, and no image read twice but a few suspects.

It sees exact copies, conflicts and leaks, uneven classes and unreadable names, and near copies
between train and test that a hash of 64 bits proposes. `adapt check` sees more.
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
from adapt.checks.findings.finding import Place
from adapt.checks.findings.measure import Picture, measure
from adapt.checks.findings.names import name_findings
from adapt.checks.record import addressed, finding_entry, in_order, write_check
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.data.splits.stored import UNUSED
from adapt.recipe.data import RunData
from adapt.version import __version__

BITS = 64
NEAREST = 5
"""Bits in which the hashes of two images may differ that are looked at again."""
SUSPECTS = 0.005
"""Share of the images that may be read a second time to compare them, in pairs."""
FEW = 50
"""So many pairs may be, whatever the share."""
MOST = 4_000_000_000
"""Pairs of hashes that are compared; beyond, exact copies alone are looked for."""
BLOCK = 1024
SHOWN = 3


class Glance:
    """Takes a hash of each image while it is decoded for another reason.

    Eight rows of nine grey cells; a bit says whether a cell is brighter than the one before
    (difference hash).

    >>> glance = Glance()
    >>> glance.look("1.png", Image.new("RGB", (40, 40)))
    >>> any(glance.hashes["1.png"])
    False
    """

    def __init__(self) -> None:
        self.hashes: dict[str, bytes] = {}

    def look(self, path: str, image: Image.Image) -> None:
        """Remember the hash of an image under its path; may be called from several threads."""
        small = image.resize((9, 8), Image.Resampling.BOX, reducing_gap=1.0).convert("L")
        grey = np.asarray(small, np.int16)
        self.hashes[path] = np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


@dataclass
class QuickCheck:
    """What was found on the way."""

    content: dict[str, Any]
    """As in the `check.json` of `adapt check`."""
    notes: list[str]
    """For the report, leaks first."""
    leaked: dict[str, list[int]]
    """By eval, positions of its images that have a copy in train or val; evals without are absent.
    """

    def write(self, folder: Path) -> Path:
        """Write `check.json`; see `adapt.checks.record.write_check`."""
        return write_check(folder, self.content)


def quick_check(data: RunData, glance: Glance, recipe: str) -> QuickCheck:
    """Say what is wrong with the images of a run, as far as reading them has shown it.

    Args:
        data: Of the run; its exact leaks are in its notes already.
        glance: What was seen while the images were read.
        recipe: Path of the recipe, for the commands that mend what is found.

    Raises:
        DataError: When a file cannot be read any more.
    """
    natural = {name: images for name, images in data.evals.items() if images.shift is None}
    held = {} if data.fit.val is None else {"val": data.fit.val}
    sets = {"train": data.fit.train} | held | natural
    paths = [path for images in sets.values() for path in images.paths]
    entries = [one for name in sets for one in data.manifest["splits"][name]]
    places = [
        Place(name, one["path"], one["label"])
        for name in sets
        for one in data.manifest["splits"][name]
    ]
    copies = _copies(paths, [one["sha256"] for one in entries], places, glance)
    names = [data.fit.train.classes[key] for key in data.fit.class_names]
    found = [*balance_findings(_counts(data, natural), splits_itself=True), *name_findings(names)]
    findings = in_order([*copy_findings(copies, places), *found])
    pictures = {
        (place.split, place.path): Picture(one["sha256"])
        for place, one in zip(places, entries, strict=True)
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
        "findings": [finding_entry(one, pictures) for one in findings],
    }
    leaked = {name: rows for name, rows in leaked_indices(copies, places).items() if rows}
    content = addressed(content, recipe)
    return QuickCheck(content, _notes(content["findings"]), leaked)


def _counts(data: RunData, natural: Mapping[str, ImageList]) -> dict[str, dict[str, int]]:
    """Images a class of what train and val were taken from, whole, and of each eval."""
    pool = [
        one
        for part in (data.manifest["splits"], data.manifest)
        for name in (*FIT_SPLITS, UNUSED)
        for one in part.get(name, [])
    ]
    evals = {name: images.counts() for name, images in natural.items()}
    return {"train": dict(Counter(one["label"] for one in pool))} | evals


def _notes(findings: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each finding but exact leaks, which reading the data has named."""
    notes = []
    for one in findings:
        start = "LEAK: " if one["kind"] == "near_leak" else ""
        example = [
            f"{place['split']}/{place['path']}"
            for places in one["places"][:1]
            for place in places[:SHOWN]
        ]
        first = f", such as {' = '.join(example)}" if example else ""
        if one["kind"] != "leak":
            notes.append(f"{start}{one['message']}{first}. To mend it: {one['fix']}")
    return sorted(notes, key=lambda note: not note.startswith("LEAK"))


def _copies(
    paths: Sequence[str], hashes: Sequence[str], places: Sequence[Place], glance: Glance
) -> Copies:
    """Exact copies of all, and near copies between train or val and the evals."""
    number: dict[str, int] = {}
    content = np.array([number.setdefault(digest, len(number)) for digest in hashes], np.int64)
    first = {digest: index for index, digest in reversed(list(enumerate(hashes)))}
    rows = np.array([first[digest] for digest in number], np.int64)
    fit = {number[digest] for digest, place in zip(hashes, places, strict=True) if _fits(place)}
    other = set(range(len(number))) - fit
    near = _suspects([glance.hashes.get(paths[row], b"") for row in rows], fit, other)
    again = np.unique(near)
    found = find_copies(measure([paths[rows[one]] for one in again]))
    # Contents of these few, in the order of their hashes, back to contents of all.
    known = np.empty(len(again), np.int64)
    known[found.content[found.content >= 0]] = again[found.content >= 0]
    pairs = np.sort(known[found.pairs], axis=1)
    leaks = np.array([(one in fit) != (two in fit) for one, two in pairs.tolist()], bool)
    return Copies(content, pairs[leaks], found.differences[leaks])


def _fits(place: Place) -> bool:
    return place.split in FIT_SPLITS


def _suspects(hashes: Sequence[bytes], fit: set[int], other: set[int]) -> npt.NDArray[np.int64]:
    """Pairs of a content of `fit` and one of `other` with nearly the same hash, the nearest."""
    # A hash without a bit is that of a blank image, which is like every other blank one.
    seen = {index for index, one in enumerate(hashes) if any(one)}
    left, right = sorted(fit & seen), sorted(other & seen)
    none = np.zeros((0, 2), np.int64)
    if not left or not right or len(left) * len(right) > MOST:
        return none
    signs, found = _signs([hashes[index] for index in left]), [none]
    far: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for start in range(0, len(right), BLOCK):
        part = right[start : start + BLOCK]
        distance = (BITS - _signs([hashes[index] for index in part]) @ signs.T) / 2
        rows, columns = np.nonzero(distance <= NEAREST)
        found.append(np.stack([np.array(left)[columns], np.array(part)[rows]], 1))
        far.append(distance[rows, columns].astype(np.int64))
    pairs, distances = np.concatenate(found), np.concatenate(far)
    most = max(FEW, int(SUSPECTS * len(hashes)))
    return pairs[np.argsort(distances, kind="stable")[:most]]


def _signs(hashes: Sequence[bytes]) -> npt.NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, BITS // 8), axis=1)
    return (2 * bits.astype(np.float32)) - 1
