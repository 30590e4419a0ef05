"""The arc between two models."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.ensembling.weights.slerp import Slerp
from adapt.errors import WeightsError


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_slerp_turns_evenly(seed: int, fraction: float) -> None:
    """Of unit vectors: the length stays 1 and the angle to the first is that part of the whole."""
    random = np.random.default_rng(seed)
    ends = random.normal(size=(2, 12))
    first, second = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    state = [{"w": torch.from_numpy(end)} for end in (first, second)]
    turned = Slerp(*state, fraction)["w"].numpy()
    whole = np.arccos(np.clip(first @ second, -1, 1))
    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert np.arccos(np.clip(first @ turned, -1, 1)) == pytest.approx(fraction * whole, abs=1e-6)


def test_slerp_of_parallel_zero_and_equal_tensors() -> None:
    first = {"p": torch.tensor([1.0, 1.0]), "z": torch.zeros(2), "e": torch.ones(2)}
    second = {"p": torch.tensor([3.0, 3.0]), "z": torch.tensor([2.0, 0.0]), "e": torch.ones(2)}
    arc = dict(Slerp(first, second, 0.5))
    assert arc["p"].tolist() == [2.0, 2.0]
    assert arc["z"].tolist() == [1.0, 0.0]
    assert torch.equal(arc["e"], first["e"])


def test_other_names_are_refused() -> None:
    with pytest.raises(WeightsError, match="only in one of the models"):
        Slerp({"w": torch.zeros(2)}, {"v": torch.zeros(2)})
