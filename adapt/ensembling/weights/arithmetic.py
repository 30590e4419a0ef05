"""Task arithmetic: adding and taking away what was learned (Ilharco et al., arXiv:2212.04089)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State, above_zero, check_same


def add_task_vectors(start: State, tuned: Sequence[State], scale: float) -> dict[str, Tensor]:
    """Weights `start + scale * sum(each tuned - start)`, in the type of `start`.

    Computed in float64 and rounded once. Tensors that no model changed, and those that are not
    floating point (batches that a batch norm has seen), are the start's. Running statistics of
    batch norms are treated as weights; a variance stops at zero.

    Args:
        start: What all were tuned from.
        tuned: One state dict for each task: same names, same shapes.
        scale: Any number; the paper chooses it on held-out images of all tasks.

    Raises:
        WeightsError: When names or shapes differ.
    """
    for other in tuned:
        check_same(start, other)
    moved = {}
    for name, origin in start.items():
        changed = [state[name] for state in tuned if not torch.equal(state[name], origin)]
        if not origin.is_floating_point() or not changed:
            moved[name] = origin
        else:
            base = origin.double()
            vector = torch.stack([tensor.double() - base for tensor in changed]).sum(0)
            moved[name] = above_zero(name, (base + scale * vector).to(origin.dtype))
    return moved


def negate(start: State, tuned: State, scale: float = 1.0) -> dict[str, Tensor]:
    """Weights `start - scale * (tuned - start)`: forget what `tuned` learned.

    Args:
        start: What it was tuned from.
        tuned: A model tuned to what is to be forgotten.
        scale: How strongly; the paper takes the largest that keeps 95 % of the accuracy on a
            control task.

    Raises:
        WeightsError: When names or shapes differ.

    >>> negate({"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}, 0.5)
    {'w': tensor([0.])}
    """
    return add_task_vectors(start, [tuned], -scale)
