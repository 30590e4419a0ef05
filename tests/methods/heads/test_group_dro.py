"""Group-DRO on features against autograd and numpy, written down once more."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from adapt.methods.features.fitting import warm_cosine
from adapt.methods.features.groups import SupportGroups
from adapt.methods.heads.group_dro import WARMUP, GroupDRO
from adapt.methods.heads.linear_probe import LinearProbe
from tests.helpers.spurious import spurious, worst


@pytest.mark.numerical
def test_against_autograd() -> None:
    support = spurious(12)
    method = GroupDRO(lr=1e-4, steps=60, batch_size=16, rate=0.2, adjustment=1.0)
    found = method.head(support)
    numbers = SupportGroups.of(support).numbers
    counts = np.bincount(numbers.numpy())
    weight = torch.nn.Parameter(support.text.clone())
    optimiser = torch.optim.AdamW([weight], lr=1e-4, weight_decay=method.weight_decay)
    q = np.full(len(counts), 1 / len(counts))
    for step, (rate, rows) in enumerate(method.batches(numbers, 0)):
        assert rate == warm_cosine(method.lr, step, 60, WARMUP)
        optimiser.param_groups[0]["lr"] = rate
        logits = support.scale * support.features[rows] @ weight.T
        losses = F.cross_entropy(logits, support.targets[rows], reduction="none")
        member = numbers[rows]
        means = [
            losses[member == g].mean() if (member == g).any() else losses.sum() * 0
            for g in range(len(counts))
        ]
        q = q * np.exp(0.2 * (np.array([float(m.detach()) for m in means]) + 1 / np.sqrt(counts)))
        q /= q.sum()
        optimiser.zero_grad()
        torch.stack([float(w) * m for w, m in zip(q, means, strict=True)]).sum().backward()
        optimiser.step()
    expected = (support.scale * weight).detach()
    torch.testing.assert_close(found.weight.detach(), expected, atol=2e-3, rtol=1e-3)
    assert not found.bias.any()


def test_groups_come_equally_often() -> None:
    numbers = SupportGroups.of(spurious(4)).numbers
    rows = torch.cat([rows for _, rows in GroupDRO(steps=100).batches(numbers, 0)])
    shares = torch.bincount(numbers[rows]) / len(rows)
    assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.02)


def test_the_worst_group_is_better_served_than_by_a_probe() -> None:
    support, test = spurious(8), spurious(200, 7)
    probe = LinearProbe(C=10.0, initialisation="zero").head(support)
    robust = GroupDRO(lr=1e-2, steps=300).head(support)
    assert worst(robust, test) > worst(probe, test) + 0.05


def test_no_steps_are_zero_shot() -> None:
    support = spurious(4)
    head = GroupDRO(steps=0).head(support)
    torch.testing.assert_close(head.weight.detach(), support.zero_shot)
