"""Settings of what is measured are refused with a sentence."""

from collections.abc import Callable

import pytest

from adapt.evaluation.metrics import intervals
from adapt.evaluation.settings import (
    INTERVALS,
    SET_SCORES,
    Calibration,
    EvaluationSettings,
    Robustness,
    UncertaintySettings,
)
from adapt.models.prediction import conformal


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Calibration("isotonic"), "kind - not known - 'isotonic' - choose one of temp"),
        (lambda: Robustness(["light", " "]), r"groups\[1\] - empty - ' '"),
        (lambda: Robustness(["light", "light"]), "groups - listed twice"),
        (lambda: UncertaintySettings(coverage=1.0), "coverage - out of range - 1.0"),
        (lambda: UncertaintySettings(level=0.0), "level - out of range - 0.0"),
        (
            lambda: UncertaintySettings(score="asp"),
            "score - not known.*'asp' - choose one",
        ),
        (lambda: UncertaintySettings(randomised=True), "randomised - not for lac"),
        (lambda: UncertaintySettings(penalty=-1.0), "penalty - out of range - -1.0"),
        (lambda: UncertaintySettings(free_ranks=-1), "free_ranks - out of range - -1"),
        (
            lambda: EvaluationSettings("bootstrap"),
            "interval - not known - 'bootstrap' - choose one",
        ),
    ],
)
def test_refused(make: Callable[[], object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        make()


def test_the_recipe_knows_what_there_is() -> None:
    assert intervals.INTERVALS == INTERVALS
    assert conformal.SCORES == SET_SCORES
