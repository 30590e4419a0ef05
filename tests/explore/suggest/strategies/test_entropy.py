"""Entropy, against scipy's."""

import numpy as np
from scipy.stats import entropy as reference

from adapt.explore.suggest.strategies.base import choose
from adapt.explore.suggest.strategies.entropy import entropies
from tests.helpers.pools import random_pool


def test_entropy_is_that_of_scipy() -> None:
    pool = random_pool(30)
    wanted = reference(pool.probabilities, base=2, axis=1)
    np.testing.assert_allclose(entropies(pool.probabilities), wanted)
    rows = [pick.row for pick in choose(pool, 6, "entropy")]
    assert rows == np.argsort(-wanted)[:6].tolist()
