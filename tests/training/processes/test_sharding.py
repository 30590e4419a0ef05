"""Weights that are whole are left alone; what nothing can be shared out of is refused."""

from typing import Any

import pytest
import torch
from torch import nn

from adapt.errors import ModelError
from adapt.training.processes.sharding import (
    by_kind,
    gradients_of,
    put_together,
    scale,
    shard_blocks,
    total_norm,
)


def test_whole_gradients() -> None:
    layer = nn.Linear(2, 1)
    layer(torch.tensor([[3.0, 4.0]])).sum().backward()
    gradients = gradients_of([*layer.parameters(), nn.Parameter(torch.zeros(1))])
    assert [g.flatten().tolist() for g in gradients] == [[3, 4], [1]]
    assert float(total_norm(gradients)) == pytest.approx(26**0.5)
    scale(gradients, 0.5)
    assert [g.flatten().tolist() for g in gradients] == [[1.5, 2], [0.5]]


def test_groups_without_parts_stay_what_they_are() -> None:
    group: dict[str, Any] = {"params": [nn.Parameter(torch.zeros(2))], "lr": 0.1}
    assert by_kind([group]) == [group]


def test_weights_are_copied_by_name() -> None:
    source, target = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        source.weight.fill_(2)
        source.running_mean.fill_(5)  # type: ignore[union-attr]
    put_together(source, target)
    assert target.weight.tolist() == [2, 2, 2]
    assert target.running_mean is not None
    assert target.running_mean.tolist() == [5, 5, 5]


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ModelError, match="no block of a transformer trains - set it to ddp"):
        shard_blocks([], None)  # type: ignore[arg-type]
