"""Two classifiers on the same images: against SciPy, sums of binomials and published numbers."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest

from adapt.errors import DataError
from adapt.evaluation.metrics.paired import difference_interval, holm, mcnemar, paired_answers

Z = 1.959963984540054


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (3, 9), (9, 3), (20, 20), (400, 460)])
def test_mcnemar_is_the_binomial_test(counts: tuple[int, int]) -> None:
    fixed, broken = counts
    flips = fixed + broken
    expected = binomtest(fixed, flips, 0.5).pvalue if flips else 1.0
    assert mcnemar(fixed, broken) == pytest.approx(expected, rel=1e-9)


def test_one_side_adds_up_binomials() -> None:
    before, after = [1] * 7 + [0] * 2 + [1] * 3, [0] * 7 + [1] * 2 + [1] * 3
    chance = sum(math.comb(9, fixed) for fixed in range(3)) / 2**9
    assert paired_answers(before, after)["p_worse"] == pytest.approx(chance, rel=1e-12)
    chance = sum(math.comb(9, fixed) for fixed in range(8)) / 2**9
    assert paired_answers(after, before)["p_worse"] == pytest.approx(chance, rel=1e-12)


def wilson(hits: int, images: int) -> tuple[float, float]:
    """The roots of (share - p)^2 = z^2 p (1 - p) / n."""
    a, b, c = 1 + Z**2 / images, -(2 * hits + Z**2) / images, (hits / images) ** 2
    root = math.sqrt(b**2 - 4 * a * c)
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def slow_interval(both: int, fixed: int, broken: int, neither: int) -> tuple[float, float]:
    """Newcombe's method 10, as the paper writes it with a 2 x 2 table."""
    n = both + fixed + broken + neither
    new, old = both + fixed, both + broken
    (l1, u1), (l2, u2) = wilson(new, n), wilson(old, n)
    product = new * (n - new) * old * (n - old)
    phi = 0.0
    if product:
        excess = both * neither - fixed * broken
        corrected = 0 if 0 < excess <= n / 2 else excess - n / 2 if excess > 0 else excess
        phi = corrected / math.sqrt(product)
    d1, e1, d2, e2 = new / n - l1, u1 - new / n, old / n - l2, u2 - old / n
    difference = (fixed - broken) / n
    low = difference - math.sqrt(d1**2 - 2 * phi * d1 * e2 + e2**2)
    return low, difference + math.sqrt(e1**2 - 2 * phi * e1 * d2 + d2**2)


@pytest.mark.parametrize(
    "table", [(36, 12, 2, 0), (20, 12, 2, 16), (18, 7, 2, 23), (53, 0, 0, 1), (1, 9, 8, 2)]
)
def test_the_interval_is_newcombes(table: tuple[int, int, int, int]) -> None:
    both, fixed, broken, _ = table
    assert difference_interval(both, fixed, broken, sum(table)) == pytest.approx(
        slow_interval(*table), abs=1e-12
    )


def test_the_interval_of_the_paper() -> None:
    """Table II of Newcombe (1998), method 10, for 36, 12, 2 and 0 of 50."""
    assert difference_interval(36, 12, 2, 50) == pytest.approx([0.0569, 0.3404], abs=5e-5)


def test_equal_models_have_a_width() -> None:
    low, high = difference_interval(20, 0, 0, 20) or [0.0, 0.0]
    assert low < -0.1
    assert high > 0.1


def test_answers_are_counted_image_by_image() -> None:
    random = np.random.default_rng(0)
    before, after = random.random(90) < 0.6, random.random(90) < 0.7
    result = paired_answers(before, after)
    fixed = broken = hits_a = hits_b = 0
    for old, new in zip(before, after, strict=True):
        fixed += bool(new and not old)
        broken += bool(old and not new)
        hits_a, hits_b = hits_a + bool(old), hits_b + bool(new)
    assert (result["n"], result["fixed"], result["broken"]) == (90, fixed, broken)
    assert result["a"] == pytest.approx(hits_a / 90)
    assert result["b"] == pytest.approx(hits_b / 90)
    assert result["difference"] == pytest.approx((hits_b - hits_a) / 90)
    assert result["a_ci"] == pytest.approx(wilson(hits_a, 90))
    assert result["ci"] == pytest.approx(
        slow_interval(hits_a - broken, fixed, broken, 90 - hits_a - fixed)
    )


def test_no_images_have_no_difference() -> None:
    result = paired_answers([], [])
    assert (result["difference"], result["ci"], result["p"]) == (None, None, 1.0)


def test_shapes_must_fit() -> None:
    with pytest.raises(DataError, match="not paired"):
        paired_answers([1, 0], [1])


def slow_holm(values: Sequence[float]) -> list[float]:
    """By its definition: the largest of the scaled values up to each place."""
    ranked = sorted(values)
    count = len(values)
    return [
        max(min(1.0, (count - k) * p) for k, p in enumerate(ranked) if p <= value)
        for value in values
    ]


def test_holm() -> None:
    values = np.random.default_rng(1).random(12) ** 3
    assert holm(values.tolist()) == pytest.approx(slow_holm(values.tolist()))
    assert holm([]) == []
