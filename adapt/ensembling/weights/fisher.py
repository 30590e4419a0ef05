"""Fisher-weighted averaging of models (Matena & Raffel 2021, arXiv:2111.09832)."""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.soup import AdjustedMean, Mean, check_alike
from adapt.errors import WeightsError

FLOOR = 1e-6
"""Least information of a weight; the authors' default."""


def fisher(
    ingredients: Sequence[State], informations: Iterable[State], floor: float = FLOOR
) -> AdjustedMean:
    """Average each weight with the certainty that each model has of it.

    The mode of the product of Gaussians around the models whose precision is their Fisher
    information. As in the authors' code the information of a model is at least `floor` and divided
    by the length of all its information, so that models count the same; there is no target model
    among the ingredients. Tensors without information are averaged.

    Args:
        ingredients: Two or more state dicts.
        informations: For each of them the diagonal Fisher information of its weights, by name; see
            `adapt.training.features.fisher.fisher_information`. Taken one by one: only their sums
            are kept.
        floor: Least information of a weight.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ, or a model has no information at all.

    >>> import torch
    >>> models = [{"w": torch.tensor([1.0, 1.0])}, {"w": torch.tensor([3.0, 3.0])}]
    >>> certain = [{"w": torch.tensor([3.0, 4.0])}, {"w": torch.tensor([5.0, 0.0])}]
    >>> fisher(models, certain)["w"]
    tensor([2.2500, 1.0000])
    """
    check_alike({f"ingredient {n}": state for n, state in enumerate(ingredients, start=1)})
    mean = Mean(ingredients)
    weights: dict[str, Tensor] = {}
    changes: dict[str, Tensor] = {}
    pairs = zip(ingredients, informations, strict=True)
    for number, (ingredient, information) in enumerate(pairs, start=1):
        length = _length(information)
        if information and not length > 0:
            raise WeightsError(
                f"ingredient {number} - no Fisher information - all of it is {length} - it is "
                "certain of each training image, or gives no numbers: use another merge"
            )
        for name, values in information.items():
            weight = values.clamp_min(floor) / length
            change = weight * (ingredient[name].detach().cpu() - mean[name])
            weights[name] = weights[name] + weight if name in weights else weight
            changes[name] = changes[name] + change if name in changes else change
    return AdjustedMean(mean, weights, lambda name: changes[name] / weights[name])


def _length(information: State) -> float:
    return math.sqrt(sum(float(part.double().square().sum()) for part in information.values()))
