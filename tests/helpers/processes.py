"""Tasks that tests give to a group of processes; the others import them from here."""

import os
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from adapt.errors import DataError
from adapt.training.processes.batches import gathered
from adapt.training.processes.group import ProcessGroup, active


def here() -> ProcessGroup:
    """The group of this process."""
    group = active()
    assert group is not None
    return group


def write_sums(folder: Path, values: list[Tensor], module: nn.Module) -> None:
    """Each process writes what it was given."""
    rank = here().member.rank
    numbers = [float(value.sum()) for value in values]
    numbers += [float(p.detach().sum()) for p in module.parameters()]
    numbers += [float(values[0].data_ptr() == values[1].data_ptr())]
    (folder / f"{rank}.txt").write_text(" ".join(map(str, numbers)))


def in_place(value: Tensor) -> None:
    """What a training does to the weights that it was given."""
    value += 1


def ignore(value: Tensor) -> None:
    """A task without an effect."""


def give_halves(count: int) -> None:
    """Give the first process some tensors."""
    here().give(torch.full((2, 3), float(number)) for number in range(count))


def fail(how: str) -> None:
    """Fail in the process that is not the first; the first waits for it."""
    if here().member.rank > 0:
        if how == "data":
            raise DataError("photos/a.jpg - cannot be read - 0 bytes - remove it")
        if how == "unexpected":
            raise ZeroDivisionError("division by zero")
        if how == "killed":
            os.kill(os.getpid(), 9)
    dist.all_reduce(torch.zeros(1))


def fail_everywhere() -> None:
    """The same error in all processes, as after a step that is not finite."""
    time.sleep(0.1 * here().member.rank)
    raise DataError("in every process")


def gather_uneven(folder: Path, sizes: list[int]) -> None:
    """Gather rows with gradients; each process writes its rows, and the gradients of its own."""
    rank = here().member.rank
    own = torch.tensor([[10.0 * rank + turn] for turn in range(sizes[rank])]).reshape(-1, 1)
    own.requires_grad_()
    every, rows = gathered(own)
    # Each process weighs all rows with its rank + 1, so that gradients of all add up.
    ((rank + 1) * every.flatten() * torch.arange(1, len(every) + 1)).sum().backward()
    gradient = torch.zeros(0) if own.grad is None else own.grad
    lines = [every.flatten().tolist(), rows.tolist(), gradient.flatten().tolist()]
    (folder / f"{rank}.txt").write_text(repr(lines))
