"""The smallest largest loss, against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.rules.base import Evidence

ACCURACY = st.floats(0, 1, allow_nan=False)


@given(rows=st.lists(st.tuples(ACCURACY, ACCURACY, ACCURACY), min_size=2, max_size=8))
def test_min_regret_against_numpy(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    grid = [i / 10 for i in range(len(rows))]
    clean, blur, fog = (dict(zip(grid, column, strict=True)) for column in values.T.tolist())
    evidence = Evidence(clean, 50, {"blur": blur, "fog": fog})
    regret = (values.max(0) - values).max(1)
    chosen = grid.index(choose_alpha(evidence, "min_regret"))
    assert regret[chosen] == regret.min()
    assert (regret[:chosen] > regret.min()).all()
    for alpha, expected in zip(grid, regret, strict=True):
        assert evidence.regret(alpha) == pytest.approx(expected)
