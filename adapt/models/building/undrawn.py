"""Models built without drawing the numbers that they begin with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode

IN_PLACE = {
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    init.normal_,
    init.uniform_,
    init.kaiming_uniform_,
}
MADE = {torch.randn, torch.rand}
SCALED = {torch.Tensor.mul, torch.Tensor.__mul__, torch.Tensor.__rmul__}


class Undrawn(TorchFunctionMode):
    """Inside, tensors that would be random hold whatever their memory holds.

    For models whose weights are all replaced: to draw 150 million numbers takes seconds. With
    `outline` nothing large is written at all, so that a model takes no memory before its shapes
    are known to be right. (The device `meta` does that too, but imports torch's compiler.)

    Args:
        outline: Leave out products with a number as well; no number of the model is right then.

    >>> with Undrawn(outline=True):
    ...     torch.nn.Parameter(0.1 * torch.randn(3, 2)).shape
    torch.Size([3, 2])
    """

    def __init__(self, outline: bool = False) -> None:
        super().__init__()
        self._outline = outline

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Leave random numbers out; everything else is as it is."""
        named = dict(kwargs or {})
        if func in IN_PLACE:
            return args[0] if args else named["tensor"]
        if func in MADE:
            named.pop("generator", None)
            return torch.empty(*args, **named)
        if self._outline and func in SCALED and isinstance(args[1], int | float):
            return args[0]
        return func(*args, **named)
