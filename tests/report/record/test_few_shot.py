"""The few-shot protocol, read back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adapt.report.record.few_shot import band


@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_bands_are_the_interval_of_scipy_inside_0_and_1(values: list[float]) -> None:
    mean, low, high = band(values)
    error = float(stats.sem(values))
    reach = error * float(stats.t.isf(0.025, len(values) - 1))
    assert mean == pytest.approx(np.mean(values))
    expected = np.clip([np.mean(values) - reach, np.mean(values) + reach], 0, 1)
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)
