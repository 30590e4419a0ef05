"""The batch of a step, of which each process has every N-th image."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import default_collate

from adapt.data.augmentation.mixing import apply_mix, draw_mix

Batch = dict[str, Tensor]


def collated(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch of the samples that count; of one that does not count where none does.

    Args:
        samples: As `ImageDataset` gives them; `counts` is missing where all do.
    """
    counting = [sample for sample in samples if sample.get("counts", True)]
    plain = [
        {name: value for name, value in sample.items() if name != "counts"}
        for sample in counting or samples[:1]
    ]
    batch: dict[str, Any] = default_collate(plain)
    return batch if counting else batch | {"counted": 0}


def counted(batch: Batch) -> int:
    """Images of a batch that count: all, unless it holds one only so that it is not empty.

    >>> counted({"target": torch.zeros(3)})
    3
    """
    return int(batch.get("counted", len(batch["target"])))


def several() -> bool:
    """Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _Gather(torch.autograd.Function):
    """The rows of all processes; each gets the gradients of its own from all."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, sizes: list[int]) -> Tensor:
        padded = own.new_zeros(max(sizes), *own.shape[1:])
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        ctx.rows = own_rows(sizes, dist.get_rank())
        every = own.new_empty(sum(sizes), *own.shape[1:])
        for rank, size in enumerate(sizes):
            every[own_rows(sizes, rank)] = parts[rank][:size]
        return every

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        gradient = given[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient[ctx.rows], None


def own_rows(sizes: list[int], rank: int) -> list[int]:
    """Where the images of a process are in the batch of all, which is dealt like cards.

    Args:
        sizes: Images of each process.
        rank: Of the process.

    >>> own_rows([3, 2], 0), own_rows([3, 2], 1)
    ([0, 2, 4], [1, 3])
    """
    dealt = sorted((turn, other) for other, size in enumerate(sizes) for turn in range(size))
    return [row for row, (_, other) in enumerate(dealt) if other == rank]


def sizes_of(count: int, device: torch.device) -> list[int]:
    """Images of each process in this step."""
    own = torch.tensor([count], device=device)
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    return torch.cat(parts).tolist()


def gathered(own: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of all processes in the order in which one process would have them.

    Gradients of them go back to the process that they belong to.

    Args:
        own: Rows of this process (b, ...).

    Returns:
        Rows of all (B, ...), and which are those of this process (b,).
    """
    if not several():
        return own, torch.arange(len(own), device=own.device)
    sizes = sizes_of(len(own), own.device)
    rows = torch.tensor(own_rows(sizes, dist.get_rank()), dtype=torch.long, device=own.device)
    every: Tensor = _Gather.apply(own, sizes)
    return every, rows


def mixed(batch: Batch, mixup: float, cutmix: float, classes: int, key: tuple[int, ...]) -> Batch:
    """A batch whose images are mixed, also with those of other processes.

    So the number of processes changes nothing.

    Args:
        batch: Of this process.
        mixup: See `draw_mix`.
        cutmix: See `draw_mix`.
        classes: Number of classes K.
        key: Decides alone; the same in all processes.

    Returns:
        With `target` as fractions of the classes (b, K).
    """
    size = counted(batch)
    pixels, rows = gathered(batch["image"][:size])
    targets, _ = gathered(batch["target"][:size])
    mix = draw_mix(mixup, cutmix, (len(pixels), *pixels.shape[2:]), key)
    images, fractions = apply_mix(mix, pixels, targets, classes)
    if size == 0:
        target = batch["target"]
        return batch | {"target": torch.nn.functional.one_hot(target, classes).float()}
    return batch | {"image": images[rows], "target": fractions[rows]}
