"""Limits on groups."""

from typing import Any

import numpy as np
import pytest

from adapt.errors import RecipeError
from adapt.explore.audit.limits import judged, read_limits
from adapt.explore.audit.measures import GradedAnswers, audit_columns

TARGETS = np.array([0, 1] * 60)
VALUES = (["a"] * 60) + (["b"] * 60)
RIGHT = np.array([True] * 60 + [True, False] * 30)


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    answered = GradedAnswers(TARGETS, ["ant", "bee"], {"model": RIGHT, "start": RIGHT})
    told = audit_columns(answered, {"site": VALUES, "same": ["x"] * 120}, 20, 0.05, "bh")
    return dict(told["columns"])


@pytest.mark.parametrize(
    ("text", "value", "failed"),
    [
        ("worst_group < 60%", 50.0, True),
        ("same.worst_group < 60", 75.0, False),
        ("worst_recall < 10", 0.0, True),
        ("gap > 40", 50.0, True),
        ("worst_change < 0", 0.0, False),
        ("site.below > 0", 2.0, True),
        ("gap_low > 90", 37.0, False),
        ("worst_low < 10", 37.7, False),
    ],
)
def test_what_is_measured(columns: dict[str, Any], text: str, value: float, failed: bool) -> None:
    (limit,) = read_limits([text], list(columns))
    told = judged(limit, columns)
    assert told["value"] == pytest.approx(value, abs=1.0)
    assert told["failed"] == failed


def test_what_is_refused(columns: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="no such column - 'sight' in"):
        read_limits(["sight.gap > 1"], list(columns))
    with pytest.raises(RecipeError, match="no such quantity - 'worst_grup'"):
        read_limits(["worst_grup < 1"], list(columns))
    with pytest.raises(RecipeError, match="not a limit"):
        read_limits(["worst_group"], list(columns))
    (limit,) = read_limits(["same.gap > 1"], list(columns))
    with pytest.raises(RecipeError, match=r"cannot be judged - 'same\.gap > 1': fewer"):
        judged(limit, columns)


@pytest.mark.parametrize("quantity", ["below", "extra_above"])
def test_nothing_to_compare_is_not_a_good_result(quantity: str) -> None:
    """Groups that are all too small have no gap, and so none that is clear."""
    answered = GradedAnswers(TARGETS, ["ant", "bee"], {"model": RIGHT})
    told = audit_columns(answered, {"site": VALUES}, 1000, 0.05, "bh")
    extra = [{"group": "a", "small": True, "gap": None, "model": {"value": 0.5}}]
    column = {**told["columns"]["site"], "extra": extra}
    (limit,) = read_limits([f"{quantity} > 0"], ["site"])
    with pytest.raises(RecipeError, match=f"cannot be judged - '{quantity} > 0': "):
        judged(limit, {"site": column})
