"""The evaluation transform: from a decoded image to the numbers a model reads."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from adapt.errors import RecipeError, did_you_mean

PixelArray: TypeAlias = NDArray[np.uint8]
INTERPOLATIONS = {"bicubic": InterpolationMode.BICUBIC, "bilinear": InterpolationMode.BILINEAR}
RESIZE_MODES = ("shortest", "squash", "longest")
WIDEST = 50


@dataclass
class Preprocessing:
    """Resize, crop or pad, and normalise; equal to open_clip's own transform to the last bit.

    Only shapes wider than 1 to 50 differ: with `shortest` their ends, which the crop would drop,
    are cut before resizing, since a strip of 20,000 x 2 pixels would need gigabytes otherwise.

    Raises:
        RecipeError: When a value is out of range; the message names the field.
    """

    size: int
    """Side of the square that the model reads, in pixels."""
    mean: list[float]
    """Mean of red, green and blue, for values in 0..1."""
    std: list[float]
    """Standard deviation of red, green and blue."""
    interpolation: str = "bicubic"
    """`bicubic` or `bilinear`, with antialiasing."""
    resize_mode: str = "shortest"
    """`shortest` (resize the shorter side, crop the centre), `squash` (ignore the aspect) or
    `longest` (resize the longer side, pad)."""
    fill_color: int = 0
    """Brightness of the padding, 0 to 255."""
    crop_pct: float = 1.0
    """With `shortest`, the part of the resized image that the square keeps: timm resizes the
    shorter side to size / crop_pct."""

    def __post_init__(self) -> None:
        self.mean, self.std = [float(v) for v in self.mean], [float(v) for v in self.std]
        modes = ", ".join(RESIZE_MODES)
        checks = {
            "size": (self.size >= 1, "give 1 or more"),
            "mean": (len(self.mean) == 3, "give three numbers"),
            "std": (len(self.std) == 3 and min(self.std) > 0, "give three numbers above 0"),
            "interpolation": (self.interpolation in INTERPOLATIONS, "give bicubic or bilinear"),
            "resize_mode": (self.resize_mode in RESIZE_MODES, f"choose one of {modes}"),
            "fill_color": (0 <= self.fill_color <= 255, "give 0 to 255"),
            "crop_pct": (
                0.1 <= self.crop_pct <= 1
                and (self.crop_pct == 1 or self.resize_mode == "shortest"),
                "give 0.1 to 1, and 1 where the mode is not shortest",
            ),
        }
        for name, (good, advice) in checks.items():
            if not good:
                given = getattr(self, name)
                raise RecipeError(f"preprocessing.{name} - out of range - {given!r} - {advice}")

    def __call__(self, image: Image.Image) -> Tensor:
        """Turn one RGB image into a float tensor (3, size, size)."""
        return self.normalise(self.resize(image))

    def resize(self, image: Image.Image) -> Image.Image:
        """The image at (size, size), not yet normalised."""
        how, side = INTERPOLATIONS[self.interpolation], [self.size, self.size]
        resized: Image.Image
        if self.resize_mode == "squash":
            resized = F.resize(image, side, how)
        elif self.resize_mode == "longest":
            inside = fit_inside(image.height, image.width, self.size)
            resized = _pad(F.resize(image, list(inside), how), self.size, self.fill_color)
        else:
            resized = F.center_crop(F.resize(_cut_ends(image), [self.shorter], how), side)
        return resized

    @property
    def shorter(self) -> int:
        """What the shorter side is resized to with `shortest`, before the centre is cut out."""
        return math.floor(self.size / self.crop_pct)

    def pixels(self, image: Image.Image) -> PixelArray:
        """The image at (size, size), not yet normalised: uint8 (size, size, 3)."""
        return np.array(self.resize(image).convert("RGB"))

    def normalise(self, image: Image.Image) -> Tensor:
        """An RGB image as a float tensor (3, H, W), normalised."""
        pixels: Tensor = F.normalize(F.to_tensor(image.convert("RGB")), self.mean, self.std)
        return pixels

    def normalise_batch(self, pixels: Tensor) -> Tensor:
        """uint8 pixels (B, H, W, 3) as a float tensor (B, 3, H, W), equal to `normalise`."""
        scaled = pixels.permute(0, 3, 1, 2).contiguous().float().div(255)
        normal: Tensor = F.normalize(scaled, self.mean, self.std)
        return normal

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `crop_pct`, unknown to open_clip, where it is not 1.

        >>> Preprocessing(8, [0, 0, 0], [1, 1, 1]).to_dict()["resize_mode"]
        'shortest'
        """
        values = asdict(self)
        return {name: v for name, v in values.items() if name != "crop_pct" or v != 1}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Preprocessing":
        """The inverse of `to_dict`.

        Args:
            values: The fields; `size`, `mean` and `std` must be there.

        Returns:
            An equal `Preprocessing`.

        Raises:
            RecipeError: When a field is missing, unknown or out of range.
        """
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                hint = did_you_mean(str(name), known)
                advice = f"choose from {', '.join(known)}"
                raise RecipeError(f"preprocessing - unknown field - {name!r}{hint} - {advice}")
        for name in ("size", "mean", "std"):
            if name not in values:
                given = ", ".join(values) or "nothing"
                raise RecipeError(f"preprocessing.{name} - missing - given {given} - add it")
        return cls(**values)


def fit_inside(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width scaled so that the longer side is `size`, at least one pixel each.

    >>> fit_inside(100, 50, 10), fit_inside(1, 5000, 10)
    ((10, 5), (1, 10))
    """
    ratio = max(height / size, width / size)
    return max(round(height / ratio), 1), max(round(width / ratio), 1)


def _cut_ends(image: Image.Image) -> Image.Image:
    width, height = image.size
    longest = WIDEST * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max((width - longest) // 2, 0), max((height - longest) // 2, 0)
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _pad(image: Image.Image, size: int, fill: int) -> Image.Image:
    across, down = size - image.width, size - image.height
    sides = [across // 2, down // 2, (across + 1) // 2, (down + 1) // 2]
    padded: Image.Image = F.pad(image, sides, fill=fill)
    return padded
