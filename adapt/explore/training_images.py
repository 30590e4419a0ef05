"""The images that a run was trained on, read again by its recipe."""

from pathlib import Path

import numpy as np

from adapt.checks.sources import read_sets
from adapt.common.content import content_hashes
from adapt.comparison.sides import Given, model_folder, seen_by
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError

RECIPE, TRAIN = "recipe.yaml", "train"


def training_images(model: Given) -> ImageList | None:
    """What a run trained on, without what it chose on or was tested on; None where no run is known.

    Args:
        model: A run folder, or the `model` in it; of others nothing is known.

    Raises:
        DataError: When the images are not where the recipe says, or are others by now.
        RecipeError: When its recipe cannot be read.

    >>> training_images("no/run/model") is None
    True
    """
    recipe = recipe_of(model)
    if recipe is None:
        return None
    sets = read_sets(recipe).images
    images = sets[TRAIN] if TRAIN in sets else next(iter(sets.values()))
    check_there(images)
    trained = seen_by(model, (TRAIN,))
    if not trained:
        return images
    known = np.array([digest in trained for digest in content_hashes(images.paths)])
    if not known.any():
        raise DataError(
            f"{images.root} - none of its images is one that the run was trained on - "
            f"{len(images)} by {recipe} - give the training images"
        )
    return images.subset(np.flatnonzero(known))


def recipe_of(model: Given) -> Path | None:
    """The recipe of the run that made a model; None where no run is known.

    >>> recipe_of("no/run/model") is None
    True
    """
    if not isinstance(model, str | Path):
        return None
    recipe = model_folder(model).resolve().parent / RECIPE
    return recipe if recipe.is_file() else None


def check_there(images: ImageList) -> None:
    """Check that each file is there.

    Raises:
        DataError: Names the first that is not.
    """
    missing = [path for path in images.paths if not Path(path).is_file()]
    if missing:
        raise DataError(
            f"{missing[0]} - a training image is gone - {len(missing)} of {len(images)} - give the "
            "training images"
        )
