"""Limits of `adapt monitor`."""

import pytest

from adapt.explore.monitor.settings import MonitorSettings


@pytest.mark.parametrize(
    "wrong",
    [{"level": 0.0}, {"level": 0.6}, {"min_accuracy": 1.5}, {"width": 0.0}, {"device": "x"}],
)
def test_ranges(wrong: dict) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MonitorSettings(**wrong)
    assert MonitorSettings(max_unknown=0.5).level == 0.05
