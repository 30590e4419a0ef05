"""What is remembered of tensors that were sent; `test_group` sends them for real."""

import io

import torch
from torch import nn

from adapt.training.processes.messages import Receiver, Sender, _TensorPickler, _TensorUnpickler


def sent(sender: Sender, item: object) -> tuple[bytes, dict[int, torch.Tensor]]:
    """What goes over the wire for an object."""
    file = io.BytesIO()
    _TensorPickler(file, sender).dump(item)
    new, sender.new = sender.new, {}
    return file.getvalue(), new


def test_a_model_comes_back_with_its_ties_and_flags() -> None:
    model = nn.ModuleDict({"a": nn.Linear(200, 200), "b": nn.Linear(200, 200)})
    model["b"].weight = model["a"].weight
    model["a"].bias.requires_grad_(False)
    content, new = sent(Sender(), model)
    assert len(new) == 1  # small tensors travel inside
    known = {number: value.clone() for number, value in new.items()}
    back = _TensorUnpickler(io.BytesIO(content), known).load()
    assert back["a"].weight is back["b"].weight
    assert isinstance(back["a"].weight, nn.Parameter)
    assert back["a"].weight.requires_grad
    assert not back["a"].bias.requires_grad
    assert torch.equal(back["a"].weight, model["a"].weight)


def test_only_changes_go_again() -> None:
    sender, value = Sender(), torch.zeros(40_000)
    assert len(sent(sender, value)[1]) == 1
    assert len(sent(sender, [value, value])[1]) == 0
    value += 1
    assert len(sent(sender, value)[1]) == 1
    value.data = torch.ones(40_000)
    assert len(sent(sender, value)[1]) == 1
    with torch.inference_mode():
        hidden = torch.zeros(40_000)  # counts no changes
    assert len(sent(sender, hidden)[1]) == 1
    assert len(sent(sender, hidden)[1]) == 1


def test_gradients_are_freed() -> None:
    receiver = Receiver({1: torch.zeros(2, requires_grad=True)})
    receiver.known[1].sum().backward()
    receiver.without_gradients()
    assert receiver.known[1].grad is None
