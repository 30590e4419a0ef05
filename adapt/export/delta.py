"""Bundles that hold the change of the encoders alone, and the way back to whole ones."""

from dataclasses import dataclass
from pathlib import Path

from adapt.common.typed import resolve_path
from adapt.errors import BundleError
from adapt.models.base_weights import base_weights, read_whole
from adapt.models.bundle.delta import delta_of
from adapt.models.bundle.manifest import DELTA, read_manifest
from adapt.models.bundle.probe import Differences
from adapt.models.bundle.read import Bundle, read_bundle
from adapt.models.bundle.write import write_bundle
from adapt.models.classifier import verify_bundle

WRITTEN_ANEW = ("format", "files", "sha256")


@dataclass(frozen=True)
class WrittenBundle:
    """A bundle that was written, and opened again."""

    folder: Path
    differences: Differences
    """How far its answers on the stored images lie from those that it was made with."""


def write_delta(
    folder: str | Path, out: str | Path, base: str | Path | None = None
) -> WrittenBundle:
    """Write a bundle that holds the change of the encoders alone, and load it again.

    A LoRA run that trained nothing else in the encoders gives its thin matrices, and a head on
    unchanged encoders gives nothing beside the head. What else changed is stored whole.

    Args:
        folder: A bundle, which is left as it is.
        out: New folder.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When it is no bundle with encoders, the pretrained weights are not at hand, or
            the folder cannot be written.
    """
    bundle = read_bundle(resolve_path(folder))
    if DELTA in bundle.tensors:
        raise BundleError(f"{folder} - has no encoders - it is a delta already - copy it")
    return _write(delta_of(bundle, base_weights(bundle.manifest, base)), out, base)


def restore(folder: str | Path, out: str | Path, base: str | Path | None = None) -> WrittenBundle:
    """Write the bundle again that `write_delta` made a delta of; its weights are the same bits.

    Args:
        folder: A delta.
        out: New folder.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When it has its encoders, the pretrained weights are not at hand or are others,
            or the folder cannot be written.
    """
    if DELTA not in read_manifest(resolve_path(folder))["files"]:
        raise BundleError(
            f"{folder} - has its encoders already - nothing to restore - use it as it is"
        )
    return _write(read_whole(folder, base), out, base)


def _write(bundle: Bundle, out: str | Path, base: str | Path | None) -> WrittenBundle:
    for name in WRITTEN_ANEW:
        bundle.manifest.pop(name)
    checked: list[Differences] = []
    written = write_bundle(
        resolve_path(out), bundle, lambda part: checked.append(verify_bundle(part, base))
    )
    return WrittenBundle(written, checked[-1])
