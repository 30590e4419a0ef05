"""Model Stock against the formula by hand and a slow pairwise version."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.model_stock import model_stock, stock_ratio
from adapt.errors import RecipeError, WeightsError
from tests.helpers.tiny import bit_equal


def test_two_models_by_hand() -> None:
    start = {"w": torch.tensor([[1.0, 1.0]]), "n": torch.tensor(7)}
    # task vectors (2, 0) and (1, sqrt 3): 60 degrees, so t = 2 * 0.5 / 1.5 = 2 / 3
    one = {"w": torch.tensor([[3.0, 1.0]]), "n": torch.tensor(8)}
    two = {"w": torch.tensor([[2.0, 1.0 + 3**0.5]]), "n": torch.tensor(9)}
    stock = model_stock(start, [one, two])
    assert stock.cosines["w"] == pytest.approx(0.5)
    assert stock.ratios["w"] == pytest.approx(2 / 3)
    expected = [[1 + 2 / 3 * 1.5, 1 + 2 / 3 * 3**0.5 / 2]]
    np.testing.assert_allclose(stock.state["w"].numpy(), expected, rtol=1e-6)
    assert stock.state["n"].item() == 7
    assert list(stock.state) == ["w", "n"]
    assert len(stock.state) == 2
    assert set(stock.ratios) == {"w"}


@pytest.mark.parametrize(
    ("cosine", "count", "expected"),
    [
        (0.0, 2, 0.0),
        (1.0, 2, 1.0),
        (0.5, 4, 0.8),
        (0.2, 10, 2 / 2.8),
        (-0.5, 3, 0.0),
        (1.1, 3, 1.0),
    ],
)
def test_the_ratio(cosine: float, count: int, expected: float) -> None:
    assert stock_ratio(cosine, count) == pytest.approx(expected)


@given(count=st.integers(2, 6), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_against_the_mean_over_all_pairs(count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def draw() -> dict[str, Tensor]:
        shared = torch.randn(5, generator=torch.Generator().manual_seed(seed))
        return {
            "w": shared + torch.randn(5, generator=generator),
            "s": torch.randn((), generator=generator),
        }

    start, ingredients = (
        {"w": torch.zeros(5) + 0.1, "s": torch.tensor(0.1)},
        [draw() for _ in range(count)],
    )
    stock = model_stock(start, ingredients)
    for name in start:
        origin = np.atleast_1d(start[name].double().numpy())
        vectors = [np.atleast_1d(one[name].double().numpy()) - origin for one in ingredients]
        cosine = np.mean(
            [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in combinations(vectors, 2)]
        )
        assert stock.cosines[name] == pytest.approx(cosine, abs=1e-9)
        t = max(0.0, count * cosine / (1 + (count - 1) * cosine)) if cosine > 0 else 0.0
        expected = origin + t * np.mean(vectors, axis=0)
        np.testing.assert_allclose(
            np.atleast_1d(stock.state[name].numpy()), expected, rtol=1e-5, atol=1e-6
        )


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    start, *rest = ({"w": torch.randn(4, 7, generator=generator)} for _ in range(4))
    whole = model_stock(start, rest)
    kept = dict(whole.state)
    monkeypatch.setattr("adapt.ensembling.weights.model_stock.BLOCK", 3)
    monkeypatch.setattr("adapt.ensembling.weights.soup.BLOCK", 3)
    found = model_stock(start, rest)
    assert found.ratios == pytest.approx(whole.ratios, rel=1e-12)
    torch.testing.assert_close(dict(found.state), kept, rtol=1e-6, atol=1e-7)


def test_who_did_not_move_counts_as_at_right_angles() -> None:
    start, moved = {"w": torch.zeros(2)}, {"w": torch.ones(2)}
    assert bit_equal(dict(model_stock(start, [start, start]).state), start)
    stock = model_stock(start, [moved, moved, start])
    assert stock.cosines["w"] == pytest.approx(1 / 3)  # pairs: 1, 0, 0
    assert stock.ratios["w"] == pytest.approx(3 / 5)


def test_errors() -> None:
    start = {"w": torch.zeros(2)}
    with pytest.raises(RecipeError, match="too few models - 1"):
        model_stock(start, [start])
    with pytest.raises(WeightsError, match="the start and ingredient 1: w - shapes differ"):
        model_stock({"w": torch.zeros(3)}, [start, start])
