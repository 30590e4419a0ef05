"""The verdict as one sentence."""

import pytest

from adapt.report.front.headline import headline
from adapt.report.record.scores import ScoreTable
from tests.helpers.report_fixture import make_scores, small_scores

GAINS = {"better": 0.1, "worse": -0.1, "no clear change": 0.01}
"""The fixture's intervals reach 2.5 points to both sides."""


@pytest.mark.parametrize("on_test", GAINS)
@pytest.mark.parametrize("on_shift", GAINS)
def test_each_change_is_named_with_its_numbers(on_test: str, on_shift: str) -> None:
    scores = small_scores(0.6, 0.6 + GAINS[on_test], (0.4, 0.4 + GAINS[on_shift]))
    said = headline(ScoreTable(scores))
    if on_test == on_shift:
        lead = f"{on_test} on test and sketch: "
    else:
        lead = f"{on_test} on test, {on_shift} on sketch: "
    gains = [100 * GAINS[on_test], 100 * GAINS[on_shift]]
    assert said == (
        f"{lead[:1].upper()}{lead[1:]}the mixed model (alpha 0.5) scores {60 + gains[0]:.1f} % on "
        f"test (zero-shot 60.0 %, {gains[0]:+.1f} points) and {40 + gains[1]:.1f} % on sketch "
        f"(zero-shot 40.0 %, {gains[1]:+.1f} points)."
    )


def test_without_a_shift_the_sentence_says_so() -> None:
    said = headline(ScoreTable(small_scores(0.6, 0.7, None)))
    assert said.startswith("Better on test: the mixed model (alpha 0.5) scores 70.0 % on test")
    assert said.endswith("; on images that look different nothing was measured.")


def test_zero_shot_ships_unchanged() -> None:
    scores = small_scores(0.6, 0.6, (0.4, 0.4)) | {"shipped": "zero_shot", "alpha": None}
    assert headline(ScoreTable(scores)) == (
        "Zero-shot ships unchanged: it scores 60.0 % on test and 40.0 % on sketch."
    )


def test_what_is_not_known_is_not_said() -> None:
    scores = make_scores(shifts=0)
    del scores["data"]["evals"]
    scores["models"] = {name: {} for name in scores["models"]}
    said = headline(ScoreTable(scores))
    assert said == "The mixed model (alpha 0.4) ships; no test set was evaluated."


def test_pairs_are_judged_by_recall() -> None:
    def entry(recall: float, gain: float | None = None) -> dict[str, object]:
        change = {"recall@10": {"difference": gain, "ci": [0.01, 0.3]}} if gain else {}
        ways = {"image_to_text": {}, "text_to_image": {}}
        return {"recall@10": recall, "difference": change, **ways}

    models = {"zero_shot": {"test": entry(0.2)}, "ensemble": {"test": entry(0.3, 0.1)}}
    scores = {"task": "pairs", "alpha": 0.5, "models": models}
    assert headline(ScoreTable(scores)) == (
        "Better on test: the mixed model (alpha 0.5) ships, its recall at 10 is 30.0 % on test "
        "(start 20.0 %, +10.0 points)."
    )
    assert headline(ScoreTable(scores | {"alpha": 0})).startswith("The start ships unchanged:")
