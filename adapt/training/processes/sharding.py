"""Weights of which each process has a part: FSDP2, block by block of a transformer."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from adapt.errors import ModelError


def shard_blocks(blocks: Iterable[nn.Module], mesh: DeviceMesh) -> None:
    """Leave each process its part of every block that trains, in place.

    A block is put together where it computes. What is outside of the blocks stays whole in every
    process: encoders use those weights outside of a module's own `forward`, and they are few.

    Args:
        blocks: Of the encoders; those that do not train stay whole.
        mesh: All processes, along one dimension.

    Raises:
        ModelError: When none of them trains.
    """
    training = [b for b in blocks if any(p.requires_grad for p in b.parameters())]
    if not training:
        raise ModelError(
            "runtime.strategy - nothing to share out - 'fsdp', and no block of a transformer "
            "trains - set it to ddp"
        )
    for block in training:
        fully_shard(block, mesh=mesh)


def gradients_of(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """The gradients there are; FSDP averages its own over the processes, and this the others.

    Args:
        parameters: What trains.
    """
    if any(isinstance(p, DTensor) for p in parameters):
        whole = [p.grad for p in parameters if p.grad is not None and not isinstance(p, DTensor)]
        for gradient in whole:
            dist.all_reduce(gradient)
            gradient /= dist.get_world_size()
    return [p.grad for p in parameters if p.grad is not None]


def scale(gradients: Sequence[Tensor], factor: float) -> None:
    """Multiply gradients by a number, in place."""
    for shared in (False, True):
        if own := [value for value in gradients if isinstance(value, DTensor) == shared]:
            torch._foreach_mul_(own, factor)


def total_norm(gradients: list[Tensor]) -> Tensor:
    """Norm of all gradients together; of those that are shared out, over all processes.

    Args:
        gradients: Whole, or parts of a process.
    """
    parts = [value for value in gradients if isinstance(value, DTensor)]
    whole = [value for value in gradients if not isinstance(value, DTensor)]
    norm = nn.utils.get_total_norm(whole)
    if not parts:
        return norm
    shared: Any = nn.utils.get_total_norm(parts)
    return torch.hypot(norm, shared.full_tensor().to(norm))


def by_kind(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Groups of parameters, those that are shared out apart: no kernel takes both."""
    divided = []
    for group in groups:
        for shared in (False, True):
            own = [p for p in group["params"] if isinstance(p, DTensor) == shared]
            if own:
                divided.append(group | {"params": own})
    return divided


def put_together(shared: nn.Module, whole: nn.Module) -> None:
    """Copy the weights of a model that is shared out into one that is not; in all processes.

    Args:
        shared: What trained.
        whole: Of the same names and shapes.
    """
    own = dict(whole.named_parameters()) | dict(whole.named_buffers())
    values: Mapping[str, Any] = dict(shared.named_parameters()) | dict(shared.named_buffers())
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value.full_tensor() if isinstance(value, DTensor) else value)
