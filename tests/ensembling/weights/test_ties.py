"""TIES against a slow version of what its authors do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.ensembling.weights.ties import ties
from adapt.errors import RecipeError
from tests.helpers.merges import State, flat, states


def slow_ties(start: State, tuned: list[State], kept: float) -> np.ndarray:
    """The authors' notebook, number by number."""
    vectors = [flat(model) - flat(start) for model in tuned]
    trimmed = []
    for vector in vectors:
        place = len(vector) - int(len(vector) * kept)
        least = sorted(abs(float(value)) for value in vector)[max(1, place) - 1]
        trimmed.append([float(v) if abs(float(v)) >= least else 0.0 for v in vector])
    sums = [sum(column) for column in zip(*trimmed, strict=True)]
    majority = np.sign(sum(np.sign(value) for value in sums))
    merged = []
    for total, column in zip(sums, zip(*trimmed, strict=True), strict=True):
        sign = np.sign(total) or majority
        agree = [v for v in column if (v > 0 if sign > 0 else v < 0)]
        merged.append(sum(agree) / max(1, len(agree)))
    return flat(start) + np.array(merged)


@given(st.integers(0, 1000), st.integers(2, 4), st.sampled_from([0.1, 0.2, 0.5, 1.0]))
@settings(max_examples=30, deadline=None)
def test_ties_is_that_of_its_authors(seed: int, count: int, kept: float) -> None:
    start, tuned = states(seed, count)
    merged = dict(ties(start, tuned, kept))
    np.testing.assert_allclose(flat(merged), slow_ties(start, tuned, kept), atol=1e-6)
    assert int(merged["seen"]) == 3, "what counts is the start's"


def test_ties_of_contrary_models() -> None:
    """The larger sum decides, and the other model plays no part."""
    start = {"w": torch.zeros(3)}
    models = [{"w": torch.tensor([3.0, -1.0, 2.0])}, {"w": torch.tensor([-1.0, -3.0, -2.0])}]
    # The sums are 2, -4 and 0; signs +, - and none add up to 0, and none is not above 0: as in the
    # authors' code the negative change of the third is taken.
    assert ties(start, models, 1.0)["w"].tolist() == [3.0, -2.0, -2.0]


def test_one_model_is_refused() -> None:
    start = {"w": torch.zeros(2)}
    with pytest.raises(RecipeError, match="too few models - 1"):
        ties(start, [start])
