"""What one process tells all others: objects, whose tensors go beside them and only once."""

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

LARGE = 1 << 16
"""Bytes from which a tensor goes beside the object that holds it, and is remembered."""


class _TensorPickler(pickle.Pickler):
    """Replaces large tensors by their number."""

    def __init__(self, file: io.BytesIO, sent: "Sender") -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._sent = sent

    def persistent_id(self, item: Any) -> Any:
        """What stands for a tensor; None for whatever is written whole."""
        if not isinstance(item, Tensor) or item.nbytes < LARGE or item.layout != torch.strided:
            return None
        number = self._sent.number_of(item)
        return number, isinstance(item, torch.nn.Parameter), item.requires_grad


class _TensorUnpickler(pickle.Unpickler):
    """Puts tensors in place of their numbers."""

    def __init__(self, file: io.BytesIO, known: dict[int, Tensor]) -> None:
        super().__init__(file)
        self._known = known

    def persistent_load(self, given: Any) -> Tensor:
        """The tensor of a number; a tensor that is used twice in an object is one there too."""
        number, parameter, requires_grad = given
        value = self._known[number]
        if parameter and not isinstance(value, torch.nn.Parameter):
            value = self._known[number] = torch.nn.Parameter(value, requires_grad)
        return value.requires_grad_(requires_grad)


@dataclass
class Sender:
    """What the first process has sent: a tensor goes again only where it has changed since."""

    numbers: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    """From a tensor to its number, its version, and the address of its values."""
    new: dict[int, Tensor] = field(default_factory=dict)
    """What the message that is being written needs, and nobody has."""
    alive: set[int] = field(default_factory=set)
    last: int = 0

    def number_of(self, tensor: Tensor) -> int:
        """The number of a tensor; a new one where the others do not have its values."""
        # Tensors made in inference mode count no changes.
        version = -1 if tensor.is_inference() else tensor._version
        now = version, tensor.data_ptr(), tensor.shape
        known = None if version < 0 else self.numbers.get(tensor)
        if known is None or known[1] != now:
            self.last += 1
            known = self.numbers[tensor] = self.last, now
            self.new[self.last] = tensor.detach()
        return int(known[0])

    def send(self, item: Any, group: Any) -> None:
        """Give an object to all other processes."""
        file = io.BytesIO()
        _TensorPickler(file, self).dump(item)
        new, self.new = self.new, {}
        alive = {number for number, _ in self.numbers.values()}
        forgotten, self.alive = self.alive - alive, alive
        shapes = [(number, value.shape, value.dtype) for number, value in new.items()]
        dist.broadcast_object_list([file.getvalue(), shapes, forgotten], 0, group)
        for value in new.values():
            dist.broadcast(value.cpu().contiguous(), 0, group)


@dataclass
class Receiver:
    """What another process has received, by number."""

    known: dict[int, Tensor] = field(default_factory=dict)

    def receive(self, group: Any) -> Callable[[], Any]:
        """Wait for an object; returns what reads it, which fails where its parts are not known."""
        received: list[Any] = [None, None, None]
        dist.broadcast_object_list(received, 0, group)
        content, shapes, forgotten = received
        for number in forgotten:
            self.known.pop(number, None)
        for number, shape, dtype in shapes:
            self.known[number] = torch.empty(shape, dtype=dtype)
            dist.broadcast(self.known[number], 0, group)
        return _TensorUnpickler(io.BytesIO(content), self.known).load

    def without_gradients(self) -> None:
        """Free what a training left beside the weights."""
        for value in self.known.values():
            value.grad = None
