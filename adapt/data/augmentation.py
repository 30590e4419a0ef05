"""Random views of training images, drawn with albumentations.

Two traps of albumentations 2.0.8 are closed here. It keeps a random state of its own that repeats
in every worker and every epoch, so each sample is seeded anew. And `Compose.set_random_seed` hands
one seed to all its transforms, which then draw the same numbers (an image would be mirrored
exactly when its crop is small), so each transform gets its own.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from adapt.data.seeds import sample_seed as sample_seed
from adapt.data.transforms import Preprocessing
from adapt.errors import RecipeError, did_you_mean

# It asks the network for newer versions when it is imported.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A
import cv2

Steps = list[Any]


def _crop(size: int, low: float) -> Any:
    return A.RandomResizedCrop(
        size=(size, size),
        scale=(low, 1.0),
        interpolation=cv2.INTER_CUBIC,
        area_for_downscale="image",
    )


def _jitter(strength: float, hue: float, chance: float) -> Any:
    around = (1 - strength, 1 + strength)
    return A.ColorJitter(
        brightness=around, contrast=around, saturation=around, hue=(-hue, hue), p=chance
    )


def _clip(size: int, fill: tuple[float, ...]) -> Steps:
    return [_crop(size, 0.9)]


def _standard(size: int, fill: tuple[float, ...]) -> Steps:
    return [_crop(size, 0.5), A.HorizontalFlip(p=0.5), _jitter(0.2, 0.02, 0.8)]


def _strong(size: int, fill: tuple[float, ...]) -> Steps:
    return [
        _crop(size, 0.3),
        A.HorizontalFlip(p=0.5),
        _jitter(0.4, 0.1, 0.8),
        A.ToGray(p=0.1),
        A.GaussianBlur(blur_limit=0, sigma_limit=(0.1, max(size / 112, 0.2)), p=0.3),
        A.CoarseDropout(
            num_holes_range=(1, 1),
            hole_height_range=(0.1, 0.4),
            hole_width_range=(0.1, 0.4),
            fill=fill,
            p=0.25,
        ),
    ]


POLICIES: dict[str, Callable[[int, tuple[float, ...]], Steps]] = {
    "none": lambda size, fill: [],
    "clip": _clip,
    "standard": _standard,
    "strong": _strong,
}
"""`none`: the evaluation transform. `clip`: crops of 90 to 100 % of the area, as CLIP was trained.
`standard`: crops of 50 to 100 %, mirroring, mild colour jitter. `strong`: crops of 30 to 100 %,
mirroring, colour jitter, some grey, blur, and a hole in the mean colour."""


class Augmentation:
    """A named policy that ends in the numbers a model reads.

    Args:
        policy: `none`, `clip`, `standard` or `strong`.
        preprocessing: Size and normalisation of the model.

    Raises:
        RecipeError: When the policy is not known.

    >>> augment = Augmentation("clip", Preprocessing(8, [0.5] * 3, [0.5] * 3))
    >>> image = Image.effect_noise((16, 16), 99).convert("RGB")
    >>> bool((augment(image, seed=1) == augment(image, seed=1)).all())
    True
    """

    def __init__(self, policy: str, preprocessing: Preprocessing) -> None:
        """Build the transforms; see the class."""
        if policy not in POLICIES:
            hint = did_you_mean(policy, POLICIES)
            advice = f"choose one of {', '.join(POLICIES)}"
            raise RecipeError(f"augmentation - not known - {policy!r}{hint} - {advice}")
        self.policy = policy
        self.preprocessing = preprocessing
        fill = tuple(float(round(255 * value)) for value in preprocessing.mean)
        self.compose = A.Compose(POLICIES[policy](preprocessing.size, fill))

    def __repr__(self) -> str:
        return f"Augmentation({self.policy!r}, {self.preprocessing!r})"

    def __call__(self, image: Image.Image, seed: int) -> Tensor:
        """One random view.

        Args:
            image: RGB image of any size.
            seed: Decides the view alone: equal seeds, equal views (see `sample_seed`).

        Returns:
            Float tensor (3, size, size), normalised.
        """
        if self.policy == "none":
            return self.preprocessing(image)
        self.compose.set_random_seed(seed)
        children = np.random.SeedSequence(seed).generate_state(len(self.compose.transforms))
        for transform, child in zip(self.compose.transforms, children, strict=True):
            transform.set_random_seed(int(child))
        view = self.compose(image=np.asarray(image))["image"]
        return self.preprocessing.normalise(Image.fromarray(view))


def one_thread(worker: int) -> None:
    """Keep OpenCV from starting threads in a loading process, which has one core for itself.

    Args:
        worker: Number of the process; not used.

    >>> one_thread(0)
    """
    cv2.setNumThreads(0)
