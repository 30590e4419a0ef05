"""What ships and what was lost, in words."""

import pytest

from adapt.report import verdict
from adapt.report.record.scores import ScoreTable
from adapt.report.record.ship import (
    alpha_of,
    lost_words,
    method_ships,
    ship_words,
    shipped_in_words,
    too_small_words,
)
from tests.helpers.report_fixture import small_scores

SHIP = {
    "candidate": "probe",
    "reason": "the mixed model fell back to zero-shot",
    "n": 50,
    "candidates": {
        "zero_shot": {"alpha": 0.0, "accuracy": 0.22},
        "mixed": {"alpha": 0.0, "accuracy": 0.22},
        "probe": {"alpha": 0.7, "accuracy": 0.44},
    },
    "too_small": "Val (50 images) is too small to tell alpha 0.7 from 0.9: use folds.",
}
LOST = {
    "val": None,
    "test": {
        "class": "hat", "n": 12, "before": 0.75, "after": 0.5, "difference": -0.25,
        "ci": [-0.5, 0.0], "classes": 10,
    },
}  # fmt: skip


def test_the_first_sentence_names_the_candidate_and_the_reason() -> None:
    scores = small_scores(0.22, 0.44, None) | {"ship": SHIP, "lost_most": LOST}
    said = verdict(scores)
    assert said[0] == (
        "Shipped: the mixed probe (alpha 0.7), because the mixed model fell back to zero-shot. On "
        "the 50 held-out images: zero-shot 22.0 % (19.0 to 25.0), the mixed model (alpha 0) 22.0 % "
        "(41.0 to 47.0), the mixed probe (alpha 0.7) 44.0 %."
    )
    assert SHIP["too_small"] in said


def test_the_class_that_lost_most_stands_with_images_and_interval() -> None:
    assert lost_words(ScoreTable({"lost_most": LOST})) == [
        "The class that lost most against zero-shot: on test, hat (12 images, -25.0 points, from "
        "75.0 % to 50.0 %, 95 % interval -50.0 to +0.0).",
        "No class lost accuracy against zero-shot on val.",
    ]


def test_a_run_without_these_facts_says_nothing_of_them() -> None:
    empty = ScoreTable({"models": {}})
    assert ship_words(empty) == lost_words(empty) == too_small_words(empty) == []


def test_each_model_has_the_alpha_of_its_line() -> None:
    scores = ScoreTable(small_scores(0.22, 0.44, None) | {"ship": SHIP, "alpha": 0.7})
    scores["models"]["mixed_probe"] = scores["models"]["ensemble"]
    scores["shipped"] = "mixed_probe"
    models = ("majority", "zero_shot", "linear_probe", "mixed_probe", "adapted", "ensemble")
    assert [alpha_of(scores, model) for model in models] == [None, 0.0, 1.0, 0.7, 1.0, 0.0]
    assert shipped_in_words(scores) == "the mixed probe (alpha 0.7)"
    older = ScoreTable(small_scores(0.22, 0.44, None))
    assert (alpha_of(older, "ensemble"), alpha_of(older, "mixed_probe")) == (0.5, None)


@pytest.mark.parametrize(
    ("parts", "ships"),
    [
        ({"shipped": "ensemble"}, True),
        ({"shipped": "ensemble", "alpha": 0.0}, False),
        ({"shipped": "mixed_probe"}, False),
        ({"shipped": "ensemble", "alpha": 0.0, "method": "zero_shot"}, True),
    ],
)
def test_whether_the_method_ships(parts: dict[str, object], ships: bool) -> None:
    scores = small_scores(0.22, 0.44, None) | {"method": "lora"} | parts
    scores["models"]["mixed_probe"] = scores["models"]["ensemble"]
    assert method_ships(ScoreTable(scores)) is ships
