"""Straight lines between two sets of weights (WiSE-FT, Wortsman et al. 2021, arXiv:2109.01903)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from adapt.errors import WeightsError
from adapt.models.bundle.low_rank import between

State = Mapping[str, Tensor]


def check_same(start: State, end: State) -> None:
    """Check that two state dicts have the same names and shapes.

    Raises:
        WeightsError: Naming the first difference.
    """
    if set(start) != set(end):
        name = sorted(set(start) ^ set(end))[0]
        side = "second" if name in start else "first"
        raise WeightsError(
            f"{name} - only in one of the models - missing in the {side} - both must come from "
            "the same pretrained model and head"
        )
    for name in start:
        if start[name].shape != end[name].shape:
            raise WeightsError(
                f"{name} - shapes differ - {tuple(start[name].shape)} and "
                f"{tuple(end[name].shape)} - both must "
                "come from the same pretrained model and classes"
            )


def interpolate(start: State, end: State, alpha: float) -> dict[str, Tensor]:
    """Weights `(1 - alpha) * start + alpha * end`, in the type of `start`.

    Alpha 0 and 1 give the ends bit for bit. Tensors that are equal on both sides, and those that
    are not floating point (counters), are taken from the start, or from the end when alpha is 1.

    Args:
        start: Weights at alpha 0.
        end: Weights at alpha 1: same names, same shapes.
        alpha: Any number; outside [0, 1] it extrapolates.

    Raises:
        WeightsError: When names or shapes differ.

    Example:
        >>> interpolate({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)
        {'w': tensor([0.2500, 0.2500])}
    """
    check_same(start, end)
    if alpha in (0, 1):
        return dict(end if alpha else start)
    mixed = {}
    for name, first in start.items():
        second = end[name]
        if not first.is_floating_point() or torch.equal(first, second):
            mixed[name] = first
        else:
            mixed[name] = above_zero(name, between(first, second, alpha))
    return mixed


def above_zero(name: str, value: Tensor) -> Tensor:
    """The value, not below zero if it is the running variance of a batch norm.

    Between two models it never is; beyond them a negative variance would give no number at all.

    >>> above_zero("bn1.running_var", torch.tensor([-0.5, 2.0]))
    tensor([0., 2.])
    """
    return value.clamp_min(0) if name.endswith("running_var") else value
