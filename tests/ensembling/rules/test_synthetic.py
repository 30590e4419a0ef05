"""Rules that look at corruptions, against numpy."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.rules.base import Evidence

ACCURACY = st.floats(0, 1, allow_nan=False)


@given(rows=st.lists(st.tuples(ACCURACY, ACCURACY, ACCURACY), min_size=2, max_size=8))
def test_corruption_rules_against_numpy(rows: list[tuple[float, float, float]]) -> None:
    values = np.array(rows)
    grid = [i / 10 for i in range(len(rows))]
    clean, blur, fog = (dict(zip(grid, column, strict=True)) for column in values.T.tolist())
    evidence = Evidence(clean, 50, {"blur": blur, "fog": fog})
    mean = values.mean(1)
    chosen = grid.index(choose_alpha(evidence, "synthetic_shift"))
    assert mean[chosen] >= mean.max() - 1e-12
    assert (mean[:chosen] < mean.max()).all(), "ties go to the smallest alpha"
    error = float(np.abs(values[:, 0] - values[:, 1]).max()) / 7
    errors = Evidence(clean, 50, {"blur": blur, "fog": fog}, dict.fromkeys(grid, error))
    chosen = grid.index(choose_alpha(errors, "synthetic_one_se"))
    assert mean[chosen] >= mean.max() - error - 1e-12
    assert (mean[:chosen] < mean.max() - error + 1e-12).all(), "the smallest that is near enough"
    smallest = [choose_alpha(errors, rule) for rule in ("val_one_se", "synthetic_one_se")]
    assert choose_alpha(errors, "both_one_se") == max(smallest)
