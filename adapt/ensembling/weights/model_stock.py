"""Model Stock: how far to trust the mean of a few models (Jang et al. 2024, arXiv:2403.19522)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State
from adapt.ensembling.weights.soup import BLOCK, Computed, Mean, check_ingredients


@dataclass(frozen=True)
class Stock:
    """The result of `model_stock`."""

    state: State
    """The merged weights, computed as they are read; `dict(state)` holds them in memory."""
    cosines: dict[str, float]
    """Mean cosine between the task vectors of each floating-point tensor."""
    ratios: dict[str, float]
    """Weight t of the mean, 0 (the start) to 1 (the mean), of each floating-point tensor."""


def stock_ratio(cosine: float, count: int) -> float:
    """The weight of the mean that lies nearest to the centre of all models tuned from one start.

    `t = k cos / (1 + (k - 1) cos)` for k models (arXiv:2403.19522; for two, `2 cos / (1 + cos)`).
    A negative cosine, for which the formula leaves 0..1, gives 0.

    Args:
        cosine: Mean cosine between the task vectors, -1 to 1.
        count: Number of models k, 2 or more.

    >>> round(stock_ratio(0.5, 2), 4), stock_ratio(1.0, 5), stock_ratio(-0.2, 2)
    (0.6667, 1.0, 0.0)
    """
    cosine = min(max(cosine, 0.0), 1.0)
    return count * cosine / (1 + (count - 1) * cosine)


def model_stock(start: State, ingredients: Sequence[State]) -> Stock:
    """Merge each tensor as `t * mean + (1 - t) * start`, t from the angle between task vectors.

    The more the ingredients' changes of a tensor agree, the further the merge goes from the start
    to their mean. With more than two ingredients the cosine is the mean over all pairs; an
    ingredient that did not change a tensor counts as at right angles to the others. Tensors that
    nobody changed, and those that are not floating point, are the start's.

    Args:
        start: What the ingredients were tuned from.
        ingredients: Two or more state dicts, as lazy as for a soup.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ.
    """
    check_ingredients(start, ingredients)
    cosines = {
        name: _mean_cosine(start[name].detach(), ingredients, name)
        for name in start
        if start[name].is_floating_point()
    }
    ratios = {name: stock_ratio(cosine, len(ingredients)) for name, cosine in cosines.items()}
    return Stock(_Merged(start, Mean(ingredients), ratios), cosines, ratios)


class _Merged(Computed):
    """Tensors between `start` and `mean`, at the weight given for each."""

    def __init__(self, start: State, mean: State, ratios: Mapping[str, float]) -> None:
        super().__init__(start)
        self._start, self._mean, self._ratios = start, mean, ratios

    def __getitem__(self, name: str) -> Tensor:
        origin, weight = self._start[name].detach(), self._ratios.get(name, 0.0)
        if not weight:
            return origin
        merged = torch.empty(origin.shape, dtype=origin.dtype)
        blocks = zip(
            *(tensor.reshape(-1).split(BLOCK) for tensor in (merged, origin, self._mean[name])),
            strict=True,
        )
        for into, first, second in blocks:
            into.copy_((1 - weight) * first.cpu().double() + weight * second.double())
        return merged


def _mean_cosine(origin: Tensor, ingredients: Sequence[State], name: str) -> float:
    """Mean cosine over all pairs, from the sum of unit vectors: one pass, one sum in memory."""
    origin = origin.reshape(-1)
    total, changed, count = torch.zeros(origin.numel(), dtype=torch.float64), 0, len(ingredients)
    for ingredient in ingredients:
        values = ingredient[name].detach().reshape(-1)
        parts = [
            (slice(at, at + BLOCK), origin[at : at + BLOCK], values[at : at + BLOCK])
            for at in range(0, len(values), BLOCK)
        ]
        length = sum(float(_difference(a, b).square().sum()) for _, a, b in parts) ** 0.5
        if length:
            changed += 1
            for place, a, b in parts:
                total[place] += _difference(a, b) / length
    # |sum of units|^2 = (number of units) + 2 * (sum of cosines over pairs)
    return (float(total @ total) - changed) / (count * (count - 1))


def _difference(origin: Tensor, values: Tensor) -> Tensor:
    return values.cpu().double() - origin.cpu().double()
