"""LiNeS against numpy, with scales by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.interpolate import interpolate
from adapt.ensembling.weights.lines import block_fractions, lines
from adapt.errors import RecipeError
from adapt.training.parameters import block_numbers
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
    shares = block_fractions(start, {"stem": 0, "one": 1, "two": 2})
    found = lines(start, tuned, shares, 0.1, 0.7)
    for name, scale in {"stem": 0.1, "one": 0.4, "two": 0.7, "head": 0.1}.items():
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


def authors_scale(name: str, alpha: float, beta: float, blocks: int) -> float:
    """`LiNeS_scaling` of wang-kee/LiNeS, of one name: the first `.i.` decides, alpha without."""
    for number in range(blocks):
        if f".{number}." in name:
            return alpha + beta * (number / (blocks - 1))
    return alpha


def test_the_image_encoder_is_scaled_as_the_authors_do() -> None:
    """Without the text encoder, which they delete, and without the head, which is not tuned."""
    names = [name for name in tiny_classifier().state_dict() if ".visual." in name]
    fractions = block_fractions(names, block_numbers(names))
    assert len(set(fractions.values())) == 2
    for name in names:
        inner = name.removeprefix("backbone.model")
        assert 0.1 + 0.9 * fractions[name] == pytest.approx(authors_scale(inner, 0.1, 0.9, 2))


def test_fractions_of_twelve_blocks() -> None:
    names = [f"visual.transformer.resblocks.{number}.ln_1.weight" for number in range(12)]
    fractions = block_fractions([*names, "visual.proj"], block_numbers([*names, "visual.proj"]))
    assert [fractions[name] for name in names] == pytest.approx([n / 11 for n in range(12)])
    assert fractions["visual.proj"] == 0
    assert block_fractions(["a"], {"a": 0}) == {"a": 1.0}
    assert block_fractions([], {}) == {}


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
