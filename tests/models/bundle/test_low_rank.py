"""Products of thin matrices, summed in one order everywhere."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import torch

from adapt.errors import WeightsError
from adapt.models.bundle.low_rank import LowRank, Product, between


def product(seed: int = 0, rows: int = 5, columns: int = 4, rank: int = 3) -> Product:
    g = torch.Generator().manual_seed(seed)
    up, down = torch.randn(rows, rank, generator=g), torch.randn(rank, columns, generator=g)
    return Product("w", 2, up, down)


def test_the_sum_is_that_of_plain_floats_in_order() -> None:
    own = product()
    for row in range(5):
        for column in range(4):
            total = 0.0
            for inner in range(3):  # Python floats are float64, and nothing is reordered
                total += float(own.up[row, inner]) * float(own.down[inner, column])
            assert float(own.times(0.3)[row, column]) == total * 0.3


def test_a_product_of_two_single_numbers_is_exact_in_double() -> None:
    own = product(1, 1, 1, 1)
    exact = Fraction(float(own.up)) * Fraction(float(own.down))
    assert Fraction(float(own.times(1.0))) == exact


def test_only_the_rows_that_are_named_change() -> None:
    own, start = product(), {"w": torch.randn(9, 4), "other": torch.zeros(1)}
    before = start["w"].clone()
    sums = LowRank((own,), 2.0).weights(start)
    assert list(sums) == ["w"]
    assert torch.equal(start["w"], before)
    expected = before.double().numpy()
    expected[2:7] += 2.0 * own.up.double().numpy() @ own.down.double().numpy()
    np.testing.assert_allclose(sums["w"].numpy(), expected, rtol=1e-6, atol=1e-6)
    assert torch.equal(sums["w"][:2], before[:2])
    assert torch.equal(sums["w"][7:], before[7:])


def test_two_products_of_one_parameter_are_both_added() -> None:
    first, start = product(), {"w": torch.zeros(12, 4)}
    second = Product("w", 7, first.up, first.down)
    sums = LowRank((first, second), 1.0).weights(start)["w"]
    assert torch.equal(sums[2:7], sums[7:12])
    assert bool(sums[2:7].any())


def test_tensors_and_back() -> None:
    other = product(1)
    own = LowRank((Product("v/w", 0, other.up, other.down), product()), 0.1 + 0.2, 0.7)
    again = LowRank.from_tensors(own.tensors())
    assert (again.scale, again.alpha) == (0.1 + 0.2, 0.7)
    for a, b in zip(own.products, again.products, strict=True):
        assert (a.name, a.start) == (b.name, b.start)
        assert torch.equal(a.up, b.up)
        assert torch.equal(a.down, b.down)


def test_a_point_of_a_line_that_was_mixed_has_no_product() -> None:
    own = LowRank((product(),), 1.0)
    half = own.at(0.5)
    assert half is not None
    assert half.alpha == 0.5
    assert half.at(0.5) is None
    assert own.at(0) is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda t: t.pop("scale"), "missing or not known - 'scale'"),
        (lambda t: t.pop("down/2/w"), "missing or not known - 'down/2/w'"),
        (lambda t: t.update(extra=torch.zeros(1)), "missing or not known - 'extra'"),
        (lambda t: t.update(scale=torch.tensor([1.0])), "not a number - 'scale'"),
        (lambda t: t.update({"up/2/w": torch.zeros(5, 2)}), "another type or shape"),
        (lambda t: t.update({"up/2/w": torch.zeros(5, 3).half()}), "another type or shape"),
    ],
)
def test_tensors_that_are_none(
    change: Callable[[dict[str, torch.Tensor]], object], expected: str
) -> None:
    tensors = LowRank((product(),), 1.0).tensors()
    change(tensors)
    with pytest.raises(WeightsError, match=expected):
        LowRank.from_tensors(tensors)


@pytest.mark.parametrize("start", [{}, {"w": torch.zeros(9)}, {"w": torch.zeros(6, 4)}])
def test_a_start_that_does_not_fit(start: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match="w - an adapter does not fit"):
        LowRank((product(),), 1.0).weights(start)


def test_between_is_rounded_once() -> None:
    first, second = torch.randn(50).half(), torch.randn(50).half()
    exact = 0.7 * first.double().numpy() + 0.3 * second.double().numpy()
    assert (between(first, second, 0.3).numpy() == exact.astype(np.float16)).all()
