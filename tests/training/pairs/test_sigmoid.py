"""The loss of SigLIP against numpy."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adapt.models.classifier import Classifier
from adapt.training.pairs.sigmoid import BIAS, SCALE, begin_sigmoid, sigmoid_loss


def slow_loss(
    logits: np.ndarray, group: list[int], same_class: str, own: list[int] | None = None
) -> float:
    """Pair by pair, as Algorithm 1 of the paper has it where no two captions are equal."""
    total, rows = 0.0, list(range(len(group))) if own is None else own
    for place, i in enumerate(rows):
        for j in range(len(group)):
            friend = group[i] == group[j] and i != j
            if friend and same_class == "mask":
                continue
            sign = 1 if i == j or (friend and same_class == "positive") else -1
            total += np.log1p(np.exp(-sign * logits[place, j]))
    return total / len(rows)


@pytest.mark.numerical
@pytest.mark.parametrize("same_class", ["mask", "positive", "negative"])
@given(group=st.lists(st.integers(0, 3), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_equals_the_slow_loss(same_class: str, group: list[int], seed: int) -> None:
    logits = 5 * np.random.default_rng(seed).normal(size=(len(group), len(group)))
    loss = sigmoid_loss(torch.from_numpy(logits), torch.tensor(group), same_class)
    assert float(loss) == pytest.approx(slow_loss(logits, group, same_class), abs=1e-9)


@pytest.mark.numerical
def test_shares_of_a_batch_add_up_to_the_whole() -> None:
    logits = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).double()
    group = torch.tensor([0, 1, 0, 2, 3])
    whole = sigmoid_loss(logits, group)
    shares = [torch.tensor([0, 2, 4]), torch.tensor([1, 3])]
    parts = [sigmoid_loss(logits[rows], group, rows=rows) for rows in shares]
    assert float(whole) == pytest.approx(float(3 * parts[0] + 2 * parts[1]) / 5)
    none = torch.zeros(0, 5, requires_grad=True)
    assert sigmoid_loss(none, group, rows=torch.zeros(0, dtype=torch.long)) == 0


def test_where_it_begins(start: Classifier) -> None:
    """As in the paper, where the model has no bias; its own scale and bias otherwise."""
    model = start.clone()
    begin_sigmoid(model, SCALE, BIAS)
    inner = model.backbone.model
    assert inner.logit_scale.item() == pytest.approx(math.log(10))
    assert inner.logit_bias.item() == -10
    assert inner.logit_bias.requires_grad
    with torch.no_grad():
        inner.logit_bias.fill_(-3)
    begin_sigmoid(model, None, None)
    assert inner.logit_bias.item() == -3
    begin_sigmoid(model, None, -5)
    assert inner.logit_bias.item() == -5
