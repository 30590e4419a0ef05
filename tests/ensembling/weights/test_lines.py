"""LiNeS against numpy, with scales by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.interpolate import interpolate
from adapt.ensembling.weights.lines import depth_fractions, lines
from adapt.errors import RecipeError
from adapt.training.parameters import depths
from tests.helpers.tiny import bit_equal, tiny_classifier

State = dict[str, Tensor]


def draw(seed: int) -> State:
    generator = torch.Generator().manual_seed(seed)
    return {
        **{name: torch.randn(3, generator=generator) for name in ("stem", "one", "two", "head")},
        "n": torch.tensor(seed),
    }


def test_scales_by_hand() -> None:
    start, tuned = draw(0), draw(1)
    shares = depth_fractions({"stem": 0, "one": 1, "two": 2, "head": 3})
    found = lines(start, tuned, shares, 0.1, 0.7)
    for name, scale in {"stem": 0.1, "one": 0.3, "two": 0.5, "head": 0.7}.items():
        a, b = start[name].double().numpy(), tuned[name].double().numpy()
        np.testing.assert_allclose(found[name].numpy(), a + scale * (b - a), rtol=1e-6, atol=1e-7)
    assert found["n"].item() == 0


@given(scale=st.floats(0, 1.5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_equal_scales_are_a_straight_line(scale: float, seed: int) -> None:
    start, tuned = draw(seed), draw(seed + 1)
    shares = dict.fromkeys(start, 0.37)
    expected = interpolate(start, tuned, scale) | {"n": start["n"]}
    assert bit_equal(lines(start, tuned, shares, scale, scale), expected)


def test_the_ends_are_bit_equal() -> None:
    start, tuned = draw(0), draw(1)
    shares = {"stem": 0.0, "one": 0.0, "two": 1.0, "head": 1.0}
    found = lines(start, tuned, shares, 0.0, 1.0)
    expected = {name: (tuned if shares.get(name) else start)[name] for name in start}
    assert bit_equal(found, expected)


def test_depths_of_a_classifier() -> None:
    classifier = tiny_classifier()
    names = list(classifier.state_dict())
    shares = depth_fractions(depths(names))
    assert set(shares) == set(names)
    assert shares["backbone.model.visual.conv1.weight"] == 0
    # two blocks: distances 0 (entrance), 1, 2, 3 (what follows)
    block = "backbone.model.visual.transformer.resblocks.{}.ln_1.weight"
    assert shares[block.format(0)] == pytest.approx(1 / 3)
    assert shares[block.format(1)] == pytest.approx(2 / 3)
    assert shares["head.weight"] == 1
    assert depth_fractions({"a": 4, "b": 4}) == {"a": 1.0, "b": 1.0}
    assert depth_fractions({}) == {}


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"stem": 0.0}, "name missing - one"),
        ({"stem": 0.0, "one": 1.2, "two": 0.0, "head": 0.0}, "out of range - one: 1.2"),
        ({"stem": 0.0, "one": float("nan"), "two": 0.0, "head": 0.0}, "out of range - one: nan"),
    ],
)
def test_depths_that_do_not_fit(shares: dict[str, float], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        lines(draw(0), draw(1), shares, 0.5, 1.0)
