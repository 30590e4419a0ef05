"""Task vectors that are added and taken away."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.arithmetic import add_task_vectors, negate
from adapt.ensembling.weights.lines import lines
from adapt.errors import WeightsError
from tests.helpers.tiny import bit_equal

State = dict[str, Tensor]


def draw(seed: int) -> State:
    generator = torch.Generator().manual_seed(seed)
    return {
        **{name: torch.randn(3, generator=generator) for name in ("stem", "one", "two", "head")},
        "n": torch.tensor(seed),
    }


@given(scale=st.floats(-2, 2), count=st.integers(1, 4), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_task_vectors_add_up(scale: float, count: int, seed: int) -> None:
    start, tuned = draw(seed), [draw(seed + 1 + n) for n in range(count)]
    found = add_task_vectors(start, tuned, scale)
    for name in ("stem", "head"):
        origin = start[name].double().numpy()
        vector = sum(one[name].double().numpy() - origin for one in tuned)
        np.testing.assert_allclose(found[name], origin + scale * vector, rtol=1e-5, atol=1e-6)
        assert found[name].dtype == torch.float32
    assert found["n"] is start["n"]


def test_what_did_not_change_keeps_its_bits() -> None:
    start = {"w": torch.tensor([-0.0, 1e-45, 3.3333333])}
    same, other = {"w": start["w"].clone()}, {"w": start["w"] + 1}
    found = add_task_vectors(start, [same], 0.3)
    assert np.array_equal(np.signbit(found["w"].numpy()), [True, False, False])
    assert bit_equal(found, start)
    torch.testing.assert_close(add_task_vectors(start, [same, other], 1.0), other)


def test_negation_is_the_mirror_image() -> None:
    start, tuned = draw(0), draw(1)
    forgot, learned = negate(start, tuned, 0.4), add_task_vectors(start, [tuned], 0.4)
    for name in ("stem", "one"):
        middle = (forgot[name].double() + learned[name].double()) / 2
        np.testing.assert_allclose(middle, start[name].double(), atol=1e-6)
        expected = start[name].double() - 0.4 * (tuned[name].double() - start[name].double())
        np.testing.assert_allclose(forgot[name], expected, rtol=1e-6, atol=1e-7)


def test_other_shapes_are_refused() -> None:
    start, other = draw(0), draw(1) | {"stem": torch.zeros(2)}
    for attempt in (
        lambda: negate(start, other),
        lambda: add_task_vectors(start, [draw(2), other], 1.0),
        lambda: lines(start, other, {}, 0.0, 1.0),
    ):
        with pytest.raises(WeightsError, match="stem - shapes differ"):
            attempt()
