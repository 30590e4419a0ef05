"""Merges of task vectors, computed tensor by tensor when they are read."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State, above_zero
from adapt.ensembling.weights.soup import Computed

Combine = Callable[[str, list[Tensor]], Tensor]
"""From a tensor's name and its flat task vectors, one for each ingredient, to a flat one."""


class MergedVectors(Computed):
    """`start + combine(task vectors)`: a state dict whose tensors are computed as they are read.

    Tensors that nobody changed, and those that are not floating point, are the start's. A task
    vector is `ingredient - start` in float32, as the authors of such merges compute it; the sum
    has the type of the start. Running variances stop at zero.

    Args:
        start: What the ingredients were tuned from.
        ingredients: State dicts that `check_ingredients` let pass.
        combine: What is done with the task vectors of a tensor.
    """

    def __init__(self, start: State, ingredients: Sequence[State], combine: Combine) -> None:
        super().__init__(start)
        self._start, self._ingredients, self._combine = start, ingredients, combine

    def __getitem__(self, name: str) -> Tensor:
        origin = self._start[name].detach()
        if not origin.is_floating_point():
            return origin
        vectors = task_vectors(self._start, self._ingredients, name)
        if not any(bool(vector.any()) for vector in vectors):
            return origin
        moved = origin.cpu().float() + self._combine(name, vectors).view(origin.shape)
        return above_zero(name, moved.to(origin.dtype))


def task_vectors(start: State, ingredients: Sequence[State], name: str) -> list[Tensor]:
    """Flat differences of one tensor to the start's, in float32."""
    origin = start[name].detach().cpu().reshape(-1).float()
    return [part[name].detach().cpu().reshape(-1).float() - origin for part in ingredients]


def changed_names(start: State) -> list[str]:
    """Names of the tensors that have task vectors, in alphabetical order."""
    return sorted(name for name in start if torch.is_floating_point(start[name]))
