"""Settings of what is measured are refused with a sentence."""

from collections.abc import Callable

import pytest

from adapt.evaluation.settings import Calibration, Robustness, UncertaintySettings


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Calibration("isotonic"), "kind - not known - 'isotonic' - choose one of temp"),
        (lambda: Robustness(["light", " "]), r"groups\[1\] - empty - ''"),
        (lambda: Robustness(["light", "light"]), "groups - listed twice"),
        (lambda: UncertaintySettings(coverage=1.0), "coverage - out of range - 1.0"),
        (lambda: UncertaintySettings(level=0.0), "level - out of range - 0.0"),
    ],
)
def test_refused(make: Callable[[], object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        make()
