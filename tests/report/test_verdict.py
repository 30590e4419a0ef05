"""The verdict: gains, losses and warnings in words."""

import pytest

from adapt.report import verdict
from tests.helpers.report_fixture import make_guard, make_scores, metrics, small_scores


def test_verdict_states_a_gain() -> None:
    said = verdict(small_scores(0.6, 0.7, (0.5, 0.55)))
    assert said == [
        "On test the shipped model (alpha 0.5) scores 70.0 %, 10.0 points above zero-shot "
        "(60.0 %); the 95 % interval, +7.5 to +12.5, excludes zero.",
        "On sketch it scores 55.0 %, 5.0 points above zero-shot (50.0 %); "
        "the 95 % interval, +2.5 to +7.5, excludes zero.",
    ]


def test_verdict_says_that_steps_were_left_out() -> None:
    said = verdict(small_scores(0.6, 0.7, None) | {"skipped_steps": 2})
    assert said[0].startswith("Warning: training left out 2 steps whose loss or gradient was not")
    assert verdict(small_scores(0.6, 0.7, None) | {"skipped_steps": 0}) == said[1:]


def test_verdict_warns_first_of_a_loss() -> None:
    said = verdict(small_scores(0.7, 0.65, (0.6, 0.5)))
    assert said[0].startswith("Warning: the shipped model is worse than zero-shot")
    assert "65.0 % against 70.0 % (-5.0 points)" in said[0]
    assert said[1].startswith("Warning: the shipped model loses 10.0 points on sketch against")
    assert not any(sentence.startswith("Warning") for sentence in said[2:])


@pytest.mark.parametrize(("after", "warned"), [(0.58, False), (0.579, True)])
def test_verdict_tolerates_two_points_on_shifts(after: float, warned: bool) -> None:
    said = verdict(small_scores(0.6, 0.7, (0.6, after)))
    assert said[0].startswith("Warning") is warned


def test_verdict_says_when_a_change_may_be_chance() -> None:
    said = verdict(small_scores(0.6, 0.61, (0.5, 0.5)))
    assert "includes zero, so this may be chance" in said[0]
    assert "level with zero-shot" in said[1]


def test_verdict_without_shifts_claims_nothing_about_robustness() -> None:
    said = verdict(small_scores(0.6, 0.7, None))
    assert said[-1].startswith(
        "Robustness is n/a: no shift was evaluated. To measure it, add `evals."
    )


def test_verdict_with_null_metrics_never_says_zero() -> None:
    scores = small_scores(0.6, 0.7, (0.5, 0.5))
    scores["models"]["ensemble"]["test"] = metrics(None)
    scores["models"]["zero_shot"]["sketch"] = metrics(None)
    del scores["models"]["ensemble"]["sketch"]["difference"]
    said = " ".join(verdict(scores))
    assert "Accuracy on test is n/a" in said
    assert "it scores 50.0 %; zero-shot was not scored there, so the change is n/a." in said
    assert " 0.0 %" not in said


def test_verdict_compares_with_the_plain_adapted_model_and_the_probe() -> None:
    scores = make_scores(shifts=2)
    scores["models"]["linear_probe"]["test"] = metrics(0.95)
    said = " ".join(verdict(scores))
    assert "the shipped model is 2.0 points below it on test and 8.0 points above it on " in said
    assert "above it on the mean of 2 shifts." in said
    assert "A linear probe on frozen features is ahead by 15.0 points on test" in said


@pytest.mark.parametrize("outcome", ["lowered", "fallback"])
def test_verdict_starts_with_what_the_guard_changed(outcome: str) -> None:
    """The guard has said that the model was worse on val, so nothing else repeats it."""
    scores = small_scores(0.7, 0.65, None) | {"guard": make_guard(outcome)}
    said = verdict(scores)
    assert said[0].startswith(f"Warning: {scores['guard']['reason']}")
    assert ("there: +12.0 points, 95 % interval +6.0 to +18.0, 120 images." in said[0]) == (
        outcome == "lowered"
    )
    assert not any(sentence.startswith("Warning") for sentence in said[1:])


def test_verdict_states_a_guard_that_kept_the_choice_without_a_warning() -> None:
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": make_guard("kept")})
    assert not any(sentence.startswith("Warning") for sentence in said)
    assert said[-1].startswith("At alpha 0.4 the model is no worse than zero-shot on held-out")


@pytest.mark.parametrize(("high", "warned"), [(-0.01, True), (0.0, False), (0.02, False)])
def test_verdict_warns_only_of_a_probe_that_is_clearly_better(high: float, warned: bool) -> None:
    guard = make_guard()
    guard["against"]["linear_probe"] = {"difference": -0.04, "ci": [-0.07, high]}
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": guard})
    assert said[0].startswith("Warning: A linear probe on frozen features is clearly") is warned
    assert ("4.0 points ahead, 95 % interval +1.0 to +7.0, 120 images" in said[0]) is warned


def test_verdict_names_the_classes_that_became_worse() -> None:
    worse = [
        {"class": f"class {at}", "n": 10 + at, "difference": -0.5 + at / 20, "ci": [-0.8, -0.1]}
        for at in range(7)
    ]
    said = verdict(small_scores(0.6, 0.7, None) | {"guard": make_guard(worse_classes=worse)})
    assert said[0] == (
        "Warning: In 7 classes the shipped model is clearly worse than zero-shot on held-out "
        "images: class 0 (-50.0 points, 10 images), class 1 (-45.0 points, 11 images), class 2 "
        "(-40.0 points, 12 images), class 3 (-35.0 points, 13 images), class 4 (-30.0 points, 14 "
        "images) and 2 more."
    )


def test_verdict_of_zero_shot_itself() -> None:
    scores = small_scores(0.6, 0.7, (0.5, 0.5))
    del scores["models"]["ensemble"]
    assert verdict(scores)[0] == (
        "The shipped model is zero-shot itself; it scores 60.0 % on test."
    )
    at_the_start = small_scores(0.6, 0.6, (0.0, 0.0)) | {"alpha": 0}
    assert verdict(at_the_start)[0] == verdict(scores)[0]
