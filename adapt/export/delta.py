"""Bundles that hold the change of the encoders alone, and the way back to whole ones."""

from pathlib import Path

from adapt.common.typed import resolve_path
from adapt.errors import BundleError
from adapt.models.base_weights import base_weights, read_whole
from adapt.models.bundle.delta import delta_of
from adapt.models.bundle.manifest import DELTA
from adapt.models.bundle.read import Bundle, read_bundle
from adapt.models.bundle.write import write_bundle
from adapt.models.classifier import verify_bundle

WRITTEN_ANEW = ("format", "files", "sha256")


def write_delta(folder: str | Path, out: str | Path, base: str | Path | None = None) -> Path:
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


def restore(folder: str | Path, out: str | Path, base: str | Path | None = None) -> Path:
    """Write the bundle again that `write_delta` made a delta of; its weights are the same bits.

    Args:
        folder: A delta, or any bundle.
        out: New folder.
        base: See `adapt.models.classifier.Classifier.load`.

    Raises:
        BundleError: When the pretrained weights are not at hand, are others, or the folder cannot
            be written.
    """
    return _write(read_whole(folder, base), out, base)


def _write(bundle: Bundle, out: str | Path, base: str | Path | None) -> Path:
    for name in WRITTEN_ANEW:
        bundle.manifest.pop(name)
    return write_bundle(resolve_path(out), bundle, lambda part: verify_bundle(part, base))
