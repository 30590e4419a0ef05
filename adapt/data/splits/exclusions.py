"""Lists of images to leave out, one line per image, known by its content wherever it is."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adapt.common.content import content_hashes
from adapt.common.typed import resolve_path
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.errors import DataError

HEADER = "# Images to leave out: SHA-256, set/path, reason. A recipe takes it as `data.exclude`.\n"
_LINE = re.compile(r"(?P<sha>[0-9a-f]{64})(?:\s+(?P<rest>.*))?", re.DOTALL)
_AMBIGUOUS = re.compile(r"\\|[^\S ]|[\x00-\x1f\ud800-\udfff]| (?= |$)")
"""Signs of a path that would end a line, or a path before its reason, or that UTF-8 cannot hold."""


class Excluded(NamedTuple):
    """One line of such a list."""

    sha256: str
    split: str
    """Set that it was in, such as `train`; empty when the line names none."""
    path: str
    """Relative to the root of that set."""
    reason: str


def format_exclusions(lines: Iterable[Excluded]) -> str:
    r"""The text of a list, sorted, so that the same images give the same file.

    >>> print(format_exclusions([Excluded("0" * 64, "train", "a\nb.png", "blank")]).split("\n")[1])
    0000000000000000000000000000000000000000000000000000000000000000  train/a\u000ab.png  blank
    """
    written = sorted({exclusion_line(line) for line in lines})
    return HEADER + "".join(f"{line}\n" for line in written)


def exclusion_line(line: Excluded) -> str:
    """One line of a list, without its end."""
    return f"{line.sha256}  {_escape(f'{line.split}/{line.path}')}  {line.reason}"


def _escape(text: str) -> str:
    return _AMBIGUOUS.sub(lambda sign: f"\\u{ord(sign.group()):04x}", text)


def _unescape(text: str) -> str:
    return re.sub(r"\\u([0-9a-f]{4})", lambda code: chr(int(code[1], 16)), text)


def read_exclusions(path: str | Path) -> list[Excluded]:
    """Read a list: `sha256  set/path  reason`, the last two optional; `#` begins a comment line.

    Raises:
        DataError: When it cannot be read, or a line is not of this form.
    """
    try:
        text = resolve_path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} - cannot be read - {error} - give a text file") from error
    excluded = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            advice = "write `sha256  set/path  reason`, as `adapt check --fix` does"
            raise DataError(f"{path} - not a line of this list - line {number} - {advice}")
        place, _, reason = (match["rest"] or "").rpartition("  ")
        if not place:
            place, reason = reason, ""
        split, _, inside = _unescape(place).partition("/")
        excluded.append(Excluded(match["sha"], split, inside, reason))
    return excluded


class _Located(NamedTuple):
    """An image at hand."""

    split: str
    path: str
    row: int


def exclude(
    sets: Mapping[str, ImageList], lines: Sequence[Excluded], name: str
) -> tuple[dict[str, ImageList], list[str]]:
    """Leave out one image per line.

    The content decides. Where the same content is there more than once, the set and then the path
    that the line names come first; a line of `train` or `val` never takes an image of a test set.

    Args:
        sets: Images by the name of their set.
        lines: What to leave out.
        name: What to call the list in notes.

    Returns:
        What is left of each set, and notes: how many were left out, how many lines matched nothing.

    Raises:
        DataError: When nothing is left of a set.
    """
    listed: dict[str, list[Excluded]] = defaultdict(list)
    for line in lines:
        listed[line.sha256].append(line)
    spots: dict[str, list[_Located]] = defaultdict(list)
    for split, images in sets.items():
        for index, digest in enumerate(known_hashes(images.paths)):
            if digest in listed:
                spots[digest].append(_Located(split, images.relative(index), index))
    gone: dict[str, set[int]] = defaultdict(set)
    for digest, wanted in listed.items():
        for spot in _chosen(wanted, spots[digest], list(sets)):
            gone[spot.split].add(spot.row)
    kept = {split: _without(images, gone[split], name) for split, images in sets.items()}
    count = sum(len(indices) for indices in gone.values())
    notes = []
    if count:
        parts = ", ".join(f"{len(rows)} of {split}" for split, rows in gone.items() if rows)
        notes.append(f"left out by {name}: {parts}")
    if missing := len(lines) - count:
        notes.append(f"{missing} of {len(lines)} lines of {name} name no image that is here")
    return kept, notes


def _chosen(
    lines: Sequence[Excluded], spots: Sequence[_Located], known: list[str]
) -> list[_Located]:
    """Choose one image per line while there are any, those that fit best first."""
    keys: list[Callable[[Excluded | _Located], object]] = [
        lambda entry: (entry.split, entry.path),
        lambda entry: (_side(entry.split, known), entry.path),
        lambda entry: _side(entry.split, known),
    ]
    waiting, free, taken = list(lines), sorted(spots), []
    for key in keys:
        wanted = Counter(key(line) for line in waiting)
        left = []
        for spot in free:
            asked = key(spot)
            if wanted[asked] > 0:
                wanted[asked] -= 1
                taken.append(spot)
            else:
                left.append(spot)
        free, rest = left, []
        for line in reversed(waiting):  # keep as many lines waiting as matched no image
            if wanted[key(line)] > 0:
                wanted[key(line)] -= 1
                rest.append(line)
        waiting = rest
    # A list may name its sets otherwise than the recipe: then any will do, those of train first.
    strange = sum(_side(line.split, known) is None for line in waiting)
    return taken + sorted(free, key=lambda spot: spot.split not in FIT_SPLITS)[:strange]


def _side(split: str, known: Sequence[str]) -> str | None:
    if split in FIT_SPLITS:
        return "fit"
    return split if split in known else None


def _without(images: ImageList, gone: set[int], name: str) -> ImageList:
    if not gone:
        return images
    if len(gone) == len(images):
        advice = "remove lines from the list"
        raise DataError(f"{images.root} - nothing left - {name} excludes every image - {advice}")
    return images.subset(index for index in range(len(images)) if index not in gone)


def known_hashes(paths: Sequence[str]) -> list[str]:
    """The content hash of each file, empty for one that cannot be read."""
    try:
        return content_hashes(paths)
    except DataError:
        return [_known_hash(path) for path in paths]


def _known_hash(path: str) -> str:
    try:
        return content_hashes([path])[0]
    except DataError:
        return ""
