"""The same bytes in several places: images that leak into a test set, or carry two labels."""

from collections import defaultdict
from dataclasses import dataclass

from adapt.data.splits.quarantine import FIT_SPLITS
from adapt.data.splits.stored import Manifest


@dataclass(frozen=True)
class SharedFile:
    """The same bytes in several places."""

    sha256: str
    places: tuple[tuple[str, str, str], ...]
    """Split, relative path and label of each copy."""


def _copies(manifest: Manifest) -> list[SharedFile]:
    places: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for name, entries in manifest["splits"].items():
        for entry in entries:
            places[entry["sha256"]].append((name, entry["path"], entry["label"]))
    copies = [SharedFile(digest, tuple(where)) for digest, where in places.items()]
    return [copy for copy in copies if len(copy.places) > 1]


def shared_files(manifest: Manifest) -> list[SharedFile]:
    """Files whose bytes are both in `train` or `val` and in any other split: leaks.

    Args:
        manifest: From `split_manifest`.

    Returns:
        One entry per content, in order of the manifest; empty when nothing leaks.
    """
    return [
        copy
        for copy in _copies(manifest)
        if len({name in FIT_SPLITS for name, _, _ in copy.places}) == 2
    ]


def conflicting_files(manifest: Manifest) -> list[SharedFile]:
    """Files whose bytes have different labels, in one split or in several.

    Args:
        manifest: From `split_manifest`.

    Returns:
        One entry per content, in order of the manifest.
    """
    return [copy for copy in _copies(manifest) if len({label for _, _, label in copy.places}) > 1]
