"""Named augmentations, written as lists of steps that a recipe could write itself.

A step is a mapping: the `name` of a transform and its arguments; see `Augmentation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Step: TypeAlias = dict[str, Any]
Steps: TypeAlias = list[Step]
AugmentationLike: TypeAlias = str | Sequence[Step]
"""The name of a policy, or a custom list of steps."""


@dataclass(frozen=True)
class Policy:
    """What a named augmentation does, and why."""

    reason: str
    """For which images it is made, and why as it is; one line."""
    steps: Callable[[int], Steps]
    """From the model's image size, in pixels, to the steps."""


def crop(smallest: float, **other: Any) -> Step:
    """A random crop, brought to the model's size.

    Args:
        smallest: Smallest fraction of the area that is kept.
        **other: Further arguments.

    >>> crop(0.9)
    {'name': 'RandomResizedCrop', 'scale': [0.9, 1.0]}
    """
    return {"name": "RandomResizedCrop", "scale": [smallest, 1.0], **other}


def jitter(light: float, colour: float, hue: float, probability: float) -> Step:
    """Random brightness and contrast, saturation, and hue.

    Args:
        light: Largest change of brightness and of contrast.
        colour: Largest change of saturation.
        hue: Largest turn of the hue, as a fraction of the colour wheel.
        probability: How often.
    """
    around, vivid = [1 - light, 1 + light], [1 - colour, 1 + colour]
    return {
        "name": "ColorJitter",
        "brightness": around,
        "contrast": around,
        "saturation": vivid,
        "hue": [0 - hue, hue],
        "p": probability,
    }


def _strong(size: int) -> Steps:
    side = [0.1, 0.4]
    return [
        crop(0.3),
        {"name": "HorizontalFlip", "p": 0.5},
        jitter(0.4, 0.4, 0.1, 0.8),
        {"name": "ToGray", "p": 0.1},
        {"name": "GaussianBlur", "sigma_limit": [0.1, max(size / 112, 0.2)], "p": 0.3},
        {
            "name": "CoarseDropout",
            "num_holes_range": [1, 1],
            "hole_height_range": side,
            "hole_width_range": side,
            "p": 0.25,
        },
    ]


def _medical(size: int) -> Steps:
    return [
        crop(0.8, ratio=[0.9, 1.11]),
        {"name": "Rotate", "limit": [-10, 10], "border_mode": "replicate", "p": 0.7},
        jitter(0.1, 0.0, 0.0, 0.7),
    ]


def _aerial(size: int) -> Steps:
    return [
        crop(0.5, ratio=[1.0, 1.0]),
        {"name": "D4", "p": 1.0},
        jitter(0.2, 0.1, 0.0, 0.8),
    ]


def _document(size: int) -> Steps:
    return [
        crop(0.8, ratio=[0.9, 1.11]),
        {"name": "Perspective", "scale": [0.01, 0.04], "border_mode": "replicate", "p": 0.5},
        {"name": "Rotate", "limit": [-4, 4], "border_mode": "replicate", "p": 0.7},
        jitter(0.2, 0.0, 0.0, 0.7),
        {"name": "GaussianBlur", "sigma_limit": [0.1, max(size / 224, 0.2)], "p": 0.3},
        {"name": "ImageCompression", "quality_range": [50, 95], "p": 0.5},
    ]


POLICIES: dict[str, Policy] = {
    "none": Policy("The view of evaluation, for features that are computed once.", lambda size: []),
    "clip": Policy(
        "Crops of 90 to 100 % of the area, as CLIP was trained: it changes what CLIP knows least.",
        lambda size: [crop(0.9)],
    ),
    "standard": Policy(
        "Crops of 50 to 100 %, mirroring, mild colour jitter: photos of things that have no side.",
        lambda size: [
            crop(0.5),
            {"name": "HorizontalFlip", "p": 0.5},
            jitter(0.2, 0.2, 0.02, 0.8),
        ],
    ),
    "strong": Policy(
        "Crops of 30 to 100 %, mirroring, strong jitter, grey, blur, a hole in the mean colour: "
        "many epochs on few photos.",
        _strong,
    ),
    "medical": Policy(
        "Crops of 80 to 100 %, turns of 10 degrees, light by 10 %: colour is a finding, and "
        "mirroring would move the heart to the other side.",
        _medical,
    ),
    "aerial": Policy(
        "The eight symmetries, since seen from above nothing is up; scale for the height of the "
        "flight, light for the hour.",
        _aerial,
    ),
    "document": Policy(
        "Turns of 4 degrees, slight perspective, light, blur, JPEG, as scanners and phones do; "
        "never mirrored, since writing is not.",
        _document,
    ),
}
"""All named policies, mildest first; those for special images last."""
