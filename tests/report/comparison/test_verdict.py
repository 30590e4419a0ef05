"""What a comparison says in sentences."""

from typing import Any

import pytest

from adapt.data.sources.image_list import ImageList
from adapt.report.comparison.verdict import headline, limits_sentence, verdict
from tests.helpers.paired import compared, many


@pytest.fixture
def content(toy_test: ImageList) -> dict[str, Any]:
    """A comparison with two shifts."""
    return compared(many(toy_test), "fog", "sketch")


def test_the_result_comes_first(content: dict[str, Any]) -> None:
    own = content["sets"]["test"]["accuracy"]
    first, second, *_ = verdict(content)
    assert first.startswith("B is better than A: +")
    other = content["sets"]["test"]["changed"] - own["fixed"] - own["broken"]
    flips = f"B fixes {own['fixed']} and breaks {own['broken']}"
    assert first.endswith(f"{flips}; {other} mistakes changed to another mistake.")
    assert f"{100 * own['difference']:+.1f} points on test" in first
    mean = content["shift_mean"]
    assert second.startswith(f"On the mean of 2 shifts: {100 * mean['difference']:+.1f} points")


def test_chance_is_said(content: dict[str, Any]) -> None:
    own = content["sets"]["test"]["accuracy"]
    own.update(p=0.4)
    content["shift_mean"].update(ci=[-0.01, 0.03])
    for name in ("fog", "sketch"):
        content["sets"][name]["accuracy"].update(p=0.3)
    assert headline(content) == "No clear difference between A and B"
    assert verdict(content)[1].endswith("It may be chance.")
    content["sets"]["fog"]["accuracy"].update(p=0.001, difference=-0.1)
    assert verdict(content)[1].endswith("It may be chance. Clearly worse on fog (-10.0).")
    own.update(p=0.001, difference=-0.1)
    assert headline(content) == "B is worse than A"


def test_classes_and_groups_that_clearly_changed_are_named(content: dict[str, Any]) -> None:
    row = {"name": "cow", "difference": -0.2, "p_holm": 0.01}
    content["sets"]["test"]["per_class"] = [row, {"name": "cat", "difference": 0.1, "p_holm": 0.06}]
    content["sets"]["test"]["groups"] = {"camera": [row | {"name": "old", "difference": 0.3}]}
    assert verdict(content)[2:] == ["Clearly worse: cow (-20.0).", "Clearly better: old (+30.0)."]


def test_limits_are_counted() -> None:
    for failed, words in (
        ([], ""),
        ([False], "the limit passed"),
        ([False, False], "2 limits passed"),
        ([True], "1 of 1 limit failed"),
    ):
        limits = [{"failed": one} for one in failed]
        assert limits_sentence({"limits": limits}) == words
