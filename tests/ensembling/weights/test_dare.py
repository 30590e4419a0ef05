"""DARE: what is dropped, what is kept, and their mean."""

import numpy as np
import pytest
import torch

from adapt.ensembling.weights.dare import dare
from adapt.errors import WeightsError
from tests.helpers.merges import flat, states


def test_dare_keeps_what_it_keeps_and_divides_it() -> None:
    start, tuned = states(1, 2)
    same = dict(dare(start, tuned, 0.0))
    mean = (flat(tuned[0]) + flat(tuned[1])) / 2
    np.testing.assert_allclose(flat(same), mean, atol=1e-6)
    merged = dare(start, [tuned[0], start], 0.75, seed=4)
    change = 2 * (flat(dict(merged)) - flat(start))
    whole = flat(tuned[0]) - flat(start)
    kept = np.abs(change) > 1e-6
    np.testing.assert_allclose(change[kept], 4 * whole[kept], rtol=1e-4, atol=1e-5)
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(merged["b"], merged["b"]), "the same draws each time it is read"


def test_dare_is_the_mean_on_average() -> None:
    start, tuned = states(2, 3)
    draws = np.mean([flat(dict(dare(start, tuned, 0.5, seed))) for seed in range(400)], axis=0)
    np.testing.assert_allclose(draws, np.mean([flat(m) for m in tuned], axis=0), atol=0.08)


def test_other_shapes_are_refused() -> None:
    start = {"w": torch.zeros(2)}
    with pytest.raises(WeightsError, match="shapes differ"):
        dare(start, [start, {"w": torch.zeros(3)}])
