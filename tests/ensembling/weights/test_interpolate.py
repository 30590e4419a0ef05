"""The straight line between two state dicts, against numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.interpolate import interpolate
from adapt.errors import WeightsError
from tests.helpers.tiny import (
    bit_equal,
)

State = dict[str, Tensor]


@given(
    alpha=st.floats(-2, 3, allow_nan=False),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=60)
def test_interpolation_against_numpy(alpha: float, dtype: torch.dtype, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(3, 4, generator=generator).to(dtype) for _ in range(2))
    found = interpolate({"w": first}, {"w": second}, alpha)["w"]
    a, b = first.double().numpy(), second.double().numpy()
    exact = (1 - alpha) * a + alpha * b
    assert found.dtype == dtype
    limits = torch.finfo(dtype)
    error = np.abs(found.double().numpy() - exact)
    assert (error <= limits.eps * np.abs(exact) + limits.smallest_normal + 1e-15).all()


def test_ends_and_equal_tensors_are_bit_equal() -> None:
    tiny = torch.tensor([1e-45, -0.0, 3.3333333, 1e38])
    start, end = {"a": tiny, "same": tiny}, {"a": tiny * 2 + 1, "same": tiny.clone()}
    assert bit_equal(interpolate(start, end, 0), start)
    assert bit_equal(interpolate(start, end, 1), end)
    for alpha in (0.1, 1 / 3, 0.7, 2.5):
        assert torch.equal(interpolate(start, end, alpha)["same"], tiny)


def test_extrapolation_and_order_of_names() -> None:
    start, end = (
        {"a": torch.zeros(1), "b": torch.ones(1)},
        {"b": torch.ones(1) * 3, "a": torch.ones(1)},
    )
    found = interpolate(start, end, 1.5)
    assert (found["a"].item(), found["b"].item()) == (1.5, 4.0)
    assert interpolate(start, end, -1)["b"].item() == -1.0


def test_counters_are_not_averaged() -> None:
    start, end = (
        {"n": torch.tensor(3), "m": torch.tensor([True])},
        {
            "n": torch.tensor(8),
            "m": torch.tensor([False]),
        },
    )
    assert bit_equal(interpolate(start, end, 0.5), start)
    assert bit_equal(interpolate(start, end, 1), end)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ({"a": torch.zeros(2)}, "b - only in one of the models - missing in the second"),
        (
            {"a": torch.zeros(2), "b": torch.zeros(1), "A": torch.zeros(1)},
            "A - only in one of the models - missing in the first",
        ),
        ({"a": torch.zeros(2), "b": torch.zeros(2)}, "b - shapes differ - (1,) and (2,)"),
    ],
)
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_different_states(end: State, expected: str, alpha: float) -> None:
    with pytest.raises(WeightsError) as caught:
        interpolate({"a": torch.zeros(2), "b": torch.zeros(1)}, end, alpha)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 4
