"""Synthetic shifts by name: the 19 corruptions of ImageNet-C and three more, in five severities.

The 15 of its benchmark are noise (``gaussian_noise``, ``shot_noise``, ``impulse_noise``), blur
(``defocus_blur``, ``glass_blur``, ``motion_blur``, ``zoom_blur``), weather (``snow``, ``frost``,
``fog``, ``brightness``) and digital ones (``contrast``, ``elastic_transform``, ``pixelate``,
``jpeg_compression``); its four extra ones are ``speckle_noise``, ``gaussian_blur``, ``spatter`` and
``saturate``. Each changes photographs as much as the paper's code does, within 10 % at every
severity (``docs/benchmarks/corruptions.md``), but is not that code: pixels differ. Our own are
``rotation``, ``greyscale`` and ``jpeg`` (several re-encodings, harsher than
``jpeg_compression``).
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from adapt.common.discovery import import_siblings
from adapt.data.shifts.tools import SHIFTS, ShiftFunction, UintImage
from adapt.errors import DataError, RecipeError, did_you_mean

__all__ = ["SEVERITIES", "SHIFTS", "Shift", "ShiftFunction", "apply_shift", "shift_seed"]

SEVERITIES = (1, 2, 3, 4, 5)
import_siblings(__name__)  # their shifts enter `SHIFTS`


@dataclass(frozen=True)
class Shift:
    """A kind of synthetic shift and how strong it is.

    Attributes:
        kind: A key of ``SHIFTS``.
        severity: 1 (mild) to 5 (harsh).

    Raises:
        RecipeError: When the kind is unknown or the severity is not 1, 2, 3, 4 or 5.

    Paper: Benchmarking Neural Network Robustness to Common Corruptions, arXiv:1903.12261.
    """

    kind: str
    severity: int

    def __post_init__(self) -> None:
        """Refuse what `apply_shift` could not do."""
        if self.kind not in SHIFTS:
            hint = did_you_mean(str(self.kind), SHIFTS)
            known = ", ".join(sorted(SHIFTS))
            raise RecipeError(f"shift - unknown kind - {self.kind!r}{hint} - use one of {known}")
        whole = isinstance(self.severity, int) and not isinstance(self.severity, bool)
        if not whole or self.severity not in SEVERITIES:
            raise RecipeError(
                f"severity - not a severity - {self.severity!r} - use 1 (mild) to 5 (harsh)"
            )


def shift_seed(name: str) -> int:
    """Seed that depends on a name alone, so that an image's noise does not depend on its place.

    Args:
        name: File name or content hash of the image.

    Returns:
        A whole number below 2**63, the same on every machine and in every run.

    >>> shift_seed("cat.jpg"), shift_seed("dog.jpg")
    (375762793526705882, 7946279766196399108)
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def apply_shift(image: UintImage, kind: str, severity: int, seed: int) -> UintImage:
    """Change a picture as the named shift does.

    Args:
        image: Shape (H, W, 3), uint8, RGB; it is left as it is. Lengths are relative to the shorter
            side, so a picture may be shifted before or after it is resized.
        kind: A key of ``SHIFTS``.
        severity: 1 (mild) to 5 (harsh).
        seed: At least 0, as from `shift_seed`. The same seed gives the same pixels.

    Returns:
        A new picture of the same shape and type.

    Raises:
        RecipeError: When the kind or the severity is unknown.
        DataError: When the image or the seed is not as described.

    Paper: Benchmarking Neural Network Robustness to Common Corruptions, arXiv:1903.12261.
    """
    shift = Shift(kind, severity)
    shape, dtype = getattr(image, "shape", None), getattr(image, "dtype", None)
    if dtype != np.uint8 or shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise DataError(
            f"image - not RGB bytes - shape {shape}, type {dtype} - give uint8 of shape (H, W, 3)"
        )
    if seed < 0:
        raise DataError(f"seed - negative - {seed} - give 0 or more, as from shift_seed(name)")
    # The kind is part of the seed too, so that the noise of one kind is not that of another.
    generator = np.random.default_rng([seed, shift_seed(shift.kind)])
    return SHIFTS[shift.kind](image, shift.severity, generator)
