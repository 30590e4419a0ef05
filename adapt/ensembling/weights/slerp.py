"""Spherical interpolation of two models, tensor by tensor (Shoemake 1985; mergekit's `slerp`)."""

import math

import torch
from torch import Tensor

from adapt.ensembling.weights.interpolate import State, above_zero, check_same
from adapt.ensembling.weights.soup import Computed

NEARLY_PARALLEL = 0.9995
"""Cosine from which the straight line is taken, as in mergekit: the sphere is flat there."""


class Slerp(Computed):
    """Models on the arc between two: a state dict whose tensors are computed as they are read.

    Each tensor turns from the first to the second, and its length goes along, where the straight
    line would pass nearer to zero. Computed in float64 and rounded once; tensors that are not
    floating point are the first's.

    Args:
        first: Weights at 0.
        second: Weights at 1: same names, same shapes.
        fraction: How far to go.

    Raises:
        WeightsError: When names or shapes differ.

    >>> arc = Slerp({"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}, 0.5)
    >>> arc["w"]
    tensor([0.7071, 0.7071])
    """

    def __init__(self, first: State, second: State, fraction: float = 0.5) -> None:
        check_same(first, second)
        super().__init__(first)
        self._first, self._second, self._fraction = first, second, fraction

    def __getitem__(self, name: str) -> Tensor:
        begin, end = self._first[name].detach().cpu(), self._second[name].detach().cpu()
        if not begin.is_floating_point() or torch.equal(begin, end):
            return begin
        turned = _turned(begin.double(), end.double(), self._fraction)
        return above_zero(name, turned.to(begin.dtype))


def _turned(begin: Tensor, end: Tensor, fraction: float) -> Tensor:
    lengths = float(begin.norm()) * float(end.norm())
    cosine = float((begin * end).sum()) / lengths if lengths else 1.0
    if abs(cosine) > NEARLY_PARALLEL:
        return torch.lerp(begin, end, fraction)
    angle = math.acos(cosine)
    shares = [math.sin(part * angle) / math.sin(angle) for part in (1 - fraction, fraction)]
    return shares[0] * begin + shares[1] * end
