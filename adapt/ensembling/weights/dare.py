"""DARE: drop most of each change at random and rescale the rest (Yu et al., arXiv:2311.03099)."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.soup import check_ingredients
from adapt.ensembling.weights.task_vectors import MergedVectors

DROPPED = 0.5
"""Of each task vector. The paper drops up to 0.9, of models many times as large."""


def dare(
    start: State, ingredients: Sequence[State], dropped: float = DROPPED, seed: int = 0
) -> MergedVectors:
    """The mean of task vectors of which a part is dropped and the rest divided by what is left.

    Each number is kept or dropped by itself, so the expected merge is the mean of the ingredients.

    Args:
        start: What the ingredients were tuned from.
        ingredients: Two or more state dicts.
        dropped: Probability of a number to be dropped, 0 to below 1.
        seed: Of the draws; a tensor's depend on it, on the tensor's name and on the ingredient's
            place alone.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ.
    """
    check_ingredients(start, ingredients)

    def combine(name: str, vectors: list[Tensor]) -> Tensor:
        total = torch.zeros_like(vectors[0])
        for place, vector in enumerate(vectors):
            digest = hashlib.sha256(f"{seed} {place} {name}".encode()).digest()
            random = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
            stays = torch.rand(len(vector), generator=random) >= dropped
            total += vector * stays / (1 - dropped)
        return total / len(vectors)

    return MergedVectors(start, ingredients, combine)
