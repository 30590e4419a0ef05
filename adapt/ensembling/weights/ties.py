"""TIES: trim, elect a sign, average those that agree (Yadav et al. 2023, arXiv:2306.01708)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.soup import check_ingredients
from adapt.ensembling.weights.task_vectors import MergedVectors, changed_names, task_vectors

KEPT = 0.2
"""Of each task vector; the authors' default."""


def ties(
    start: State, ingredients: Sequence[State], kept: float = KEPT, scale: float = 1.0
) -> MergedVectors:
    """Merge models so that small and contrary changes do not blur each other.

    Of each task vector the largest numbers are kept, over all its tensors together. Each weight
    then takes the sign of the sum of what is left, and the mean of the changes with that sign. A
    sum of zero takes the sign that most weights have, as in the authors' code.

    Args:
        start: What the ingredients were tuned from.
        ingredients: Two or more state dicts.
        kept: Fraction of each task vector that is kept, above 0 to 1.
        scale: What the merged vector is multiplied by; the authors choose it on held-out images.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ.
    """
    check_ingredients(start, ingredients)
    names = changed_names(start)
    least = [_least(start, ingredient, names, kept) for ingredient in ingredients]

    def trimmed(vectors: Sequence[Tensor]) -> Tensor:
        pairs = zip(vectors, least, strict=True)
        return torch.stack([vector.where(vector.abs() >= bound, 0.0) for vector, bound in pairs])

    signs = (_signs(trimmed(task_vectors(start, ingredients, name))) for name in names)
    majority = float(sum(int(part.sum()) for part in signs))
    sign_of_none = float(torch.tensor(majority).sign())

    def combine(name: str, vectors: list[Tensor]) -> Tensor:
        left = trimmed(vectors)
        elected = _signs(left)
        elected = elected.where(elected != 0, sign_of_none)
        agree = torch.where(elected > 0, left > 0, left < 0)
        count = agree.sum(0).clamp(min=1)
        return scale * (left * agree).sum(0) / count

    return MergedVectors(start, ingredients, combine)


def _signs(trimmed: Tensor) -> Tensor:
    return trimmed.sum(0).sign()


def _least(start: State, ingredient: State, names: Sequence[str], kept: float) -> float:
    """The smallest size of a number that is kept, over all tensors of a task vector."""
    parts = [task_vectors(start, [ingredient], name)[0].abs() for name in names]
    sizes = torch.cat(parts)
    place = len(sizes) - int(len(sizes) * kept)
    return float(sizes.kthvalue(max(1, place)).values)
