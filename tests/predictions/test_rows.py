"""Columns and cells of a prediction."""

import pytest

from adapt.models.prediction.stream import Prediction
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.predictions.rows import column_names, row_of

ABSTAIN = Uncertainty(abstain_below=0.6, abstain_coverage=0.9)
REST = Uncertainty(
    conformal_level=0.8, conformal_threshold=0.7, unknown_detector="msp", unknown_threshold=0.5
)


@pytest.mark.parametrize(("stored", "threshold", "more"), [
    (None, None, []), (None, 0.0, ["abstained"]), (ABSTAIN, None, ["abstained"]),
    (ABSTAIN, 0.3, ["abstained"]), (REST, None, ["set", "unknown"]),
    (REST, 0.3, ["abstained", "set", "unknown"]),
])  # fmt: skip
def test_columns(stored: Uncertainty | None, threshold: float | None, more: list[str]) -> None:
    fixed = ["path", "label", "confidence", "top2", "error", "reason"]
    assert column_names(stored, 2, threshold) == fixed + more


def test_cells() -> None:
    columns = column_names(REST, 2, 0.3)
    good = Prediction(
        "a.png", "cat", 0.61, [("cat", 0.61), ("dog", 0.3)], None, True, ("cat", "dog"), False
    )
    assert row_of(good, columns) == {
        "path": "a.png", "label": "cat", "confidence": 0.61, "error": None, "reason": None,
        "top2": [{"label": "cat", "probability": 0.61}, {"label": "dog", "probability": 0.3}],
        "abstained": True, "set": ["cat", "dog"], "unknown": False,
    }  # fmt: skip
    bad = Prediction("b.png", None, 0.0, [], "b.png - empty file - ...", reason="empty file")
    expected = dict.fromkeys(columns) | {
        "path": "b.png", "error": "b.png - empty file - ...", "reason": "empty file",
    }  # fmt: skip
    assert row_of(bad, columns) == expected
