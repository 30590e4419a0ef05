"""Random views of training images, drawn with albumentations.

Two traps of albumentations 2.0.8 are closed here. It keeps a random state of its own that repeats
in every worker and every epoch, so each sample is seeded anew. And `Compose.set_random_seed` hands
one seed to all its transforms, which then draw the same numbers (an image would be mirrored
exactly when its crop is small), so each transform gets its own.
"""

import os

import numpy as np
from PIL import Image
from torch import Tensor

from adapt.common.seeds import sample_seed as sample_seed
from adapt.data.augmentation.policies import POLICIES, AugmentationLike
from adapt.data.augmentation.steps import build_transform, complete, step_problems
from adapt.data.decoding.preprocessing import PixelArray, Preprocessing
from adapt.errors import RecipeError, did_you_mean

# It asks the network for newer versions when it is imported.
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A


class Augmentation:
    """A named policy, or a custom list of steps, that ends in the numbers a model reads.

    Args:
        policy: A name in `adapt.data.augmentation.policies.POLICIES`, or steps such as
            `[{"name": "RandomResizedCrop", "scale": [0.5, 1.0]}, {"name": "HorizontalFlip"}]` with
            names in `adapt.data.augmentation.steps.ALLOWED`.
        preprocessing: Size and normalisation of the model.

    Attributes:
        steps: All steps, one that was added included.
        note: A sentence when a step was added, to end at the model's size; otherwise empty.

    Raises:
        RecipeError: When the policy or a transform is not known, or an argument is wrong; lists
            every mistake.
    """

    def __init__(self, policy: AugmentationLike, preprocessing: Preprocessing) -> None:
        """Build the transforms; see the class."""
        size = preprocessing.size
        self.policy, self.preprocessing, self.note = policy, preprocessing, ""
        if isinstance(policy, str):
            if policy not in POLICIES:
                hint = did_you_mean(policy, POLICIES)
                advice = f"choose one of {', '.join(POLICIES)}"
                raise RecipeError(f"augmentation - not known - {policy!r}{hint} - {advice}")
            self.steps = POLICIES[policy].steps(size)
        else:
            if wrong := step_problems(policy):
                raise RecipeError("\n".join(wrong))
            self.steps, self.note = complete(list(policy))
        fill = tuple(float(round(255 * value)) for value in preprocessing.mean)
        self.compose = A.Compose([build_transform(step, size, fill) for step in self.steps])

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
        return self.preprocessing.normalise(Image.fromarray(self.pixels(image, seed)))

    def pixels(self, image: Image.Image, seed: int) -> PixelArray:
        """The same view before it is normalised: uint8 (size, size, 3)."""
        if self.policy == "none":
            return self.preprocessing.pixels(image)
        self.compose.set_random_seed(seed)
        children = np.random.SeedSequence(seed).generate_state(len(self.compose.transforms))
        for transform, child in zip(self.compose.transforms, children, strict=True):
            transform.set_random_seed(int(child))
        view: PixelArray = self.compose(image=np.asarray(image))["image"]
        return view
