"""Distillation against scipy, and when the teacher moves."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax

from adapt.training.penalties.self_distillation import distillation, teacher_momentum


@pytest.mark.numerical
def test_distillation() -> None:
    random = np.random.default_rng(0)
    own, wise = ([3 * random.normal(size=(4, width)) for width in (3, 5)] for _ in range(2))
    expected = sum(
        rel_entr(softmax(q, 1), softmax(p, 1)).sum(1).mean() for p, q in zip(own, wise, strict=True)
    )
    found = distillation(*([torch.from_numpy(v) for v in values] for values in (own, wise)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.numerical
def test_masked_logits_play_no_part() -> None:
    own, wise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    low = torch.finfo(torch.float32).min
    masked = [F.pad(matrix, (0, 2), value=low).requires_grad_() for matrix in (own, wise)]
    found = distillation(masked[:1], [masked[1].detach()])
    torch.testing.assert_close(found, distillation([own], [wise]))
    found.backward()
    assert masked[0].grad is not None
    assert torch.isfinite(masked[0].grad).all()
    assert not masked[0].grad[:, 4:].any()


@given(st.integers(1, 5000))
def test_the_teacher_moves_about_fifty_times(steps: int) -> None:
    momenta = [teacher_momentum(step, steps) for step in range(1, steps + 1)]
    moved = [value for value in momenta if value != 1]
    assert moved == sorted(moved)
    assert all(0.05 < value <= 0.9 for value in moved)
    assert min(steps, 50) <= len(moved) < 100
    assert momenta[-1] in (0.9, 1)
