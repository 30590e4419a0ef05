"""Limits: what is read, what is refused, and exact comparison at the limit itself."""

from typing import Any

import pytest

from adapt.comparison.limits import QUANTITIES, check_limits, judged, parse_limit
from adapt.comparison.measures import matched, set_measures, shift_mean
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError
from tests.helpers.paired import many, paired
from tests.helpers.tiny import CLASSES


@pytest.fixture
def content(toy_test: ImageList) -> dict[str, Any]:
    """A comparison with two shifts."""
    images = many(toy_test, columns={"camera": [f"cam {n % 3}" for n in range(180)]})
    names = {"test": 0, "fog": 5, "sketch": 9}
    sets = {
        name: set_measures(matched(paired(images, name, seed), CLASSES))
        for name, seed in names.items()
    }
    return {
        "main": "test",
        "sets": sets,
        "shift_mean": shift_mean([sets["fog"]["accuracy"], sets["sketch"]["accuracy"]]),
        "a": {"bytes": 1000},
        "b": {"bytes": 1250},
        "latency": {"single": {"change": 0.1}},
    }


def measured(text: str, content: dict[str, Any]) -> float:
    return float(judged(parse_limit(text), content)["value"])


def test_every_quantity_is_what_it_says(content: dict[str, Any]) -> None:
    own, shifts = content["sets"]["test"], [content["sets"][name] for name in ("fog", "sketch")]
    answers, scores = own["accuracy"], own["scores"]
    differences = [100 * shift["accuracy"]["difference"] for shift in shifts]
    groups = own["groups"]["camera"]
    expected = {
        "accuracy": 100 * (answers["b"] - answers["a"]),
        "accuracy_low": 100 * answers["ci"][0],
        "accuracy_high": 100 * answers["ci"][1],
        "balanced_accuracy": 100
        * (scores["b"]["balanced_accuracy"] - scores["a"]["balanced_accuracy"]),
        "broken": answers["broken"],
        "fixed": answers["fixed"],
        "p": answers["p"],
        "p_worse": answers["p_worse"],
        "worst_class": 100 * min(row["b"] - row["a"] for row in own["per_class"]),
        "worst_group": 100 * min(row["b"] - row["a"] for row in groups),
        "ece": 100 * (scores["b"]["ece"] - scores["a"]["ece"]),
        "answered": 100 * (own["answered"]["b"]["coverage"] - own["answered"]["a"]["coverage"]),
        "coverage": 100 * (own["sets"]["b"]["coverage"] - own["sets"]["a"]["coverage"]),
        "set_size": own["sets"]["b"]["size"] - own["sets"]["a"]["size"],
        "shift_mean": sum(differences) / 2,
        "worst_shift": min(differences),
        "latency": 10.0,
        "size": 25.0,
    }
    assert set(expected) == set(QUANTITIES)
    for name, value in expected.items():
        unit = "%" if name in ("latency", "size") else ""
        assert measured(f"{name} > 0{unit}", content) == pytest.approx(value), name
    share = 100 * answers["broken"] / answers["n"]
    assert measured("broken > 1%", content) == pytest.approx(share)
    own_difference = 100 * content["sets"]["fog"]["accuracy"]["difference"]
    assert measured("fog.accuracy < -1 points", content) == pytest.approx(own_difference)


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("broken > 1%", False),
        ("broken >= 1%", True),
        ("broken > 0.99 %", True),
        ("broken > 3", False),
        ("broken >= 3 images", True),
        ("accuracy < -0.5", False),
        ("accuracy <= -0.5", True),
        ("accuracy < -0.49", True),
    ],
)
def test_the_limit_itself_is_compared_exactly(text: str, failed: bool) -> None:
    """3 of 300 are 1 %, 1.5 of 300 are half a point, whatever binary fractions say."""
    answers = {"n": 300, "broken": 3, "fixed": 1}
    if text.startswith("accuracy"):
        answers = {"n": 600, "broken": 8, "fixed": 5}
    content = {"main": "test", "sets": {"test": {"accuracy": answers}}}
    assert judged(parse_limit(text), content)["failed"] is failed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brokn > 1%", "no such quantity - 'brokn' in 'brokn > 1%', did you mean 'broken'"),
        ("broken", "not a limit"),
        ("broken > ", "not a limit"),
        ("broken = 3", "not a limit"),
        ("broken > 1e3", "not a limit"),
        ("accuracy < b.accuracy", "not a limit"),
        ("__import__('os') > 1", "not a limit"),
        ("accuracy < -1%", "not in the unit of accuracy"),
        ("latency > 10", "give a change against A in percent"),
        ("p_worse < 5", "a probability from 0 to 1"),
        ("fog.shift_mean < 0", "of no single set"),
    ],
)
def test_what_is_no_limit_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as raised:
        parse_limit(text)
    assert message in str(raised.value)


def test_a_limit_that_cannot_be_judged_is_refused(content: dict[str, Any]) -> None:
    content["sets"]["test"].update(sets=None, per_class=[])
    with pytest.raises(RecipeError, match=r"cannot be judged.*not both models store"):
        measured("set_size > 1", content)
    with pytest.raises(RecipeError, match="none has 20 images or more"):
        measured("worst_class < 1", content)


@pytest.mark.parametrize(
    ("text", "sets", "message"),
    [
        ("latency > 10%", ["test", "fog"], "latency is not measured, since it was not asked for"),
        ("fogg.accuracy < 0", ["test", "fog"], "no such set - 'fogg' in 'fogg.accuracy < 0', did"),
        ("shift_mean < 0", ["test"], "there are no shifts"),
        ("worst_shift < 0", ["test"], "there are no shifts"),
    ],
)
def test_what_will_not_be_known_is_refused_at_once(
    text: str, sets: list[str], message: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        check_limits([parse_limit(text)], sets, "it was not asked for")
    assert message in str(raised.value)
    kept = ["fog.accuracy < 0", "shift_mean < 0", "latency > 5%"]
    check_limits(list(map(parse_limit, kept)), ["test", "fog"], "")
