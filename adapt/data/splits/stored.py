"""The file `split.json` of a run: its hash, using it again, and what has changed since.

Images are known by their content (SHA-256) and label, wherever they are and whatever form the
source has. The paths in the file only name images in messages; none is opened.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.common.content import content_hashes
from adapt.common.typed import resolve_path
from adapt.common.words import first_few
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.errors import DataError

Manifest = dict[str, Any]
UNUSED = "unused"
"""Images of the source that were in neither train nor val: not drawn, or left out."""


class SplitError(DataError):
    """The images are not those of a stored split, or its file was altered."""

    exit_code = 4


def split_hash(manifest: Manifest) -> str:
    """One SHA-256 over what is in which split: the same for the same images in any form and order.

    Args:
        manifest: From `adapt.data.splits.stored.split_manifest`.

    Returns:
        64 hexadecimal digits, of the sorted (split, sha256, label) triples as JSON.
    """
    triples = sorted(
        (name, entry["sha256"], entry["label"])
        for name, entries in manifest["splits"].items()
        for entry in entries
    )
    return hashlib.sha256(json.dumps(triples, separators=(",", ":")).encode()).hexdigest()


def split_manifest(splits: Mapping[str, ImageList]) -> Manifest:
    """Which file went into which split, by content.

    Args:
        splits: Images by split name, such as `train`, `val` and the evals.

    Returns:
        `{"format": 1, "splits": {name: [{"path", "sha256", "label"}, ...]}}` with paths relative
        to each root; ready for JSON.

    Raises:
        DataError: When a file cannot be read.
    """
    content = {
        name: [
            {"path": images.relative(index), "sha256": digest, "label": images.labels[index]}
            for index, digest in enumerate(content_hashes(images.paths))
        ]
        for name, images in splits.items()
    }
    return {"format": 1, "splits": content}


def describe_split(splits: Mapping[str, ImageList], pool: Sequence[ImageList]) -> Manifest:
    """What a run writes to `split.json`.

    Args:
        splits: Images by split name, such as `train`, `val` and the evals.
        pool: The sources that train and val were taken from, whole.

    Returns:
        `split_manifest` with `hash` (of `splits` alone, see `split_hash`) and `unused`: images of
        the pool that are in neither train nor val.

    Raises:
        DataError: When a file cannot be read.
    """
    manifest = split_manifest(splits)
    used = Counter(path for name in FIT_SPLITS if name in splits for path in splits[name].paths)
    unused = []
    for images in pool:
        left: list[int] = []
        for index, path in enumerate(images.paths):
            if used[path]:
                used[path] -= 1
            else:
                left.append(index)
        if left:
            unused += split_manifest({UNUSED: images.subset(left)})["splits"][UNUSED]
    return {**manifest, "hash": split_hash(manifest), UNUSED: unused}


@dataclass(frozen=True)
class SplitEntry:
    """One image of a split."""

    split: str
    sha256: str
    label: str
    path: str
    index: int = -1
    """Position among the images at hand."""


@dataclass
class Changes:
    """What differs between a stored split and the images at hand: names of images."""

    gone: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    relabelled: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.gone or self.new or self.relabelled or self.moved)

    def sentence(self) -> str:
        """Counts, and the first five of each kind."""
        kinds = {
            "gone": self.gone,
            "new": self.new,
            "labelled differently": self.relabelled,
            "in another split": self.moved,
        }
        return "; ".join(
            f"{len(names)} {'is' if len(names) == 1 else 'are'} {kind} ({first_few(names)})"
            for kind, names in kinds.items()
            if names
        )


Key = Callable[[SplitEntry], object]
Pair = tuple[SplitEntry | None, SplitEntry | None]


def _pairs(
    old: Iterable[SplitEntry],
    new: Iterable[SplitEntry],
    keys: Sequence[Callable[[SplitEntry], object]],
) -> list[Pair]:
    """Copies of one image before and after, the most equal ones together."""
    before, after = (sorted(places, key=lambda place: place.path) for places in (old, new))
    pairs: list[Pair] = []
    for key in keys:
        waiting: dict[object, list[SplitEntry]] = defaultdict(list)
        for place in reversed(before):
            waiting[key(place)].append(place)
        left = []
        for place in after:
            if waiting[key(place)]:
                pairs.append((waiting[key(place)].pop(), place))
            else:
                left.append(place)
        after, before = left, [place for places in waiting.values() for place in places]
    return [*pairs, *((place, None) for place in before), *((None, place) for place in after)]


def _match(
    old: Iterable[SplitEntry],
    new: Iterable[SplitEntry],
    keys: Sequence[Callable[[SplitEntry], object]],
) -> list[Pair]:
    before: dict[str, list[SplitEntry]] = defaultdict(list)
    after: dict[str, list[SplitEntry]] = defaultdict(list)
    for place in old:
        before[place.sha256].append(place)
    for place in new:
        after[place.sha256].append(place)
    digests = sorted(before.keys() | after.keys())
    pairs = [
        pair
        for digest in digests
        for pair in _pairs(before.get(digest, []), after.get(digest, []), keys)
    ]
    return sorted(pairs, key=lambda pair: [place.path for place in pair if place is not None])


def _places(manifest: Manifest, names: Iterable[str]) -> list[SplitEntry]:
    return [
        SplitEntry(name, entry["sha256"], entry["label"], entry["path"])
        for name in names
        for entry in manifest["splits"].get(name, [])
    ]


def compare_splits(stored: Manifest, now: Manifest) -> Changes:
    """What changed from one manifest to another, by content: moved files are no change.

    Args:
        stored: The earlier one.
        now: The later one.

    Returns:
        Images that are gone, new, labelled differently or in another split.
    """
    keys: list[Key] = [
        lambda place: (place.split, place.label),
        lambda place: place.label,
        lambda place: place.split,
        lambda place: None,
    ]
    changes = Changes()
    old, new = (_places(manifest, manifest["splits"]) for manifest in (stored, now))
    for before, after in _match(old, new, keys):
        if before is None:
            changes.new += [f"{after.split}/{after.path}"] if after else []
            continue
        name = f"{before.split}/{before.path}"
        if after is None:
            changes.gone.append(name)
            continue
        if before.label != after.label:
            changes.relabelled.append(f"{name}: {before.label}, now {after.label}")
        if before.split != after.split:
            changes.moved.append(f"{name}, now {after.split}")
    return changes


def read_split(path: str | Path) -> Manifest:
    """Read a `split.json`.

    Args:
        path: The file.

    Returns:
        `{"format", "splits"}`, where it has them with `hash` and `unused`.

    Raises:
        DataError: When it cannot be read or is no such file.
        SplitError: When it was altered: its hash is not that of its content.
    """
    try:
        content = json.loads(resolve_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = "give the split.json of a run"
        raise DataError(f"{path} - cannot be read - {reason} - {advice}") from error
    if problem := _problem(content):
        raise DataError(f"{path} - not a split.json - {problem} - give the split.json of a run")
    manifest: Manifest = content
    if "hash" in manifest and manifest["hash"] != (actual := split_hash(manifest)):
        given = f"it says {manifest['hash']!r:.14}..., its content is {actual[:12]}..."
        raise SplitError(f"{path} - was altered - {given} - bring back the file the run wrote")
    return manifest


def _problem(content: Any) -> str | None:
    if not isinstance(content, dict) or not isinstance(content.get("splits"), dict):
        return "there is no 'splits'"
    if content.get("format") != 1:
        return f"format {content.get('format')!r}, known is 1"
    lists = content["splits"] | {UNUSED: content.get(UNUSED, [])}
    for name, entries in lists.items():
        if not isinstance(entries, list):
            return f"{name!r} is not a list"
        for number, entry in enumerate(entries):
            fields = ("path", "sha256", "label")
            if not isinstance(entry, dict) or not all(
                isinstance(entry.get(f), str) for f in fields
            ):
                return f"entry {number} of {name!r} lacks one of {', '.join(fields)}"
    return None


def stored_split(
    path: str | Path, images: ImageList, allow_changes: bool = False
) -> tuple[ImageList, ImageList | None, list[str]]:
    """Exactly the train and val images of an earlier run, by content, wherever they are now.

    Args:
        path: The `split.json` of that run.
        images: The source as it is now, whole.
        allow_changes: Take what is there where it differs: images that are gone are missed, new
            ones are left out, new labels are taken. All of it is said in the notes.

    Returns:
        Train, val (None when the run had none), and what is worth knowing.

    Raises:
        DataError: When the file cannot be read, or no train image of it is there.
        SplitError: When images are gone, new or labelled differently and that is not allowed.
    """
    manifest = read_split(path)
    spare = {"splits": {UNUSED: manifest.get(UNUSED, [])}}
    old = _places(manifest, FIT_SPLITS) + _places(spare, [UNUSED])
    new = [
        SplitEntry("", digest, images.labels[index], images.relative(index), index)
        for index, digest in enumerate(content_hashes(images.paths))
    ]
    sides: dict[str, list[int]] = {name: [] for name in (*FIT_SPLITS, UNUSED)}
    changes = Changes()
    for before, after in _match(old, new, [lambda place: place.label, lambda place: None]):
        if before is None:
            changes.new += [after.path] if after else []
        elif after is None:
            changes.gone += [f"{before.split}/{before.path}"] if before.split != UNUSED else []
        else:
            sides[before.split].append(after.index)
            if before.label != after.label and before.split != UNUSED:
                changes.relabelled.append(f"{after.path}: {before.label}, now {after.label}")
    if not sides["train"]:
        given = f"none of its {len(manifest['splits'].get('train', []))} is in {images.root}"
        raise DataError(f"{path} - no training images - {given} - give the source it was made from")
    if changes and not allow_changes:
        advice = "bring the images back, or say allow_changes: true"
        where = f"{path} - not the images of {images.root}"
        raise SplitError(f"{where} - {changes.sentence()} - {advice}")
    notes = [f"train and val are those of {path}"]
    if changes:
        notes.append(f"since {path} was written, of its images {changes.sentence()}")
    train, val = (sorted(sides[name]) for name in FIT_SPLITS)
    return images.subset(train), images.subset(val) if val else None, notes


def check_unchanged(path: str | Path, manifest: Manifest) -> None:
    """Refuse to go on with a run whose images are no longer those it began with.

    Args:
        path: The `split.json` of the run; nothing is checked where there is none yet.
        manifest: The splits as the recipe makes them now.

    Raises:
        DataError: When the file cannot be read.
        SplitError: When any image of any split is gone, new, in another split or labelled
            otherwise: with counts and the first five of each.
    """
    if not Path(path).exists():
        return
    if changes := compare_splits(read_split(path), manifest):
        advice = "bring the images back, or begin again with --overwrite"
        raise SplitError(f"{path} - the images have changed - {changes.sentence()} - {advice}")
