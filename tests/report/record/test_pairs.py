"""The words of a run on pairs hold the stored numbers."""

from typing import Any

from adapt.report.record.pairs import class_sets, how_few, pair_sets, pair_verdict
from adapt.report.record.scores import ScoreTable


def entry(recall: float, change: dict[str, Any] | None = None) -> dict[str, Any]:
    """Scores of one model on one set of pairs."""
    way = {
        "n": 50, "recall@1": recall / 4, "recall@5": recall / 2, "recall@10": recall,
        "chance@1": 0.02, "chance@5": 0.1, "chance@10": 0.2, "median_rank": 7.0,
        "recall@1_ci": [0.0, 0.5], "recall@5_ci": [0.1, 0.6], "recall@10_ci": [0.2, 0.7],
    }  # fmt: skip
    stored = {
        "n": 50, "images": 50, "captions": 90, "image_to_text": way, "text_to_image": way,
        "recall@10": recall, "chance@10": 0.2,
    }  # fmt: skip
    return stored if change is None else stored | {"difference": {"recall@10": change}}


def pair_table(alpha: float = 0.5, images: int = 900) -> ScoreTable:
    """What `scores.json` holds after a run on pairs."""
    change = {"difference": 0.3, "ci": [0.2, 0.4]}
    classes = {"n": 30, "accuracy": 0.4, "accuracy_ci": [0.3, 0.5]}
    models = {
        "zero_shot": {"val": entry(0.3), "test": entry(0.25), "birds": classes},
        "ensemble": {"val": entry(0.6, change), "test": entry(0.55, change),
                     "birds": classes | {"accuracy": 0.45}},
    }  # fmt: skip
    return ScoreTable({
        "task": "pairs", "models": models, "shipped": "ensemble", "alpha": alpha,
        "selected_on": "val", "ship": {"n": 400},
        "guard": {"outcome": "kept", "reason": "No worse.", "against": {}},
        "data": {"train": {"n": images, "captions": 5 * images}},
    })  # fmt: skip


def test_sets_and_sentences() -> None:
    scores = pair_table()
    assert pair_sets(scores) == ["test", "val"]
    assert class_sets(scores) == ["birds"]
    first, few, on_test, on_birds, guard = pair_verdict(scores)
    assert first == "Shipped: the mixed model (alpha 0.5, chosen on 200 held-out pairs)."
    assert few.startswith("Warning: Trained on 900 images with 4500 captions: very few.")
    assert (
        "in 55.0 % (mean of both directions), the start in 25.0 %, chance 20.0 % (2.8 times)"
        in on_test
    )
    assert "+30.0 points, 95 % interval +20.0 to +40.0" in on_test
    assert "So few pairs" not in on_test
    for model in scores["models"].values():
        model["test"]["chance@10"] = 0.8
    assert pair_verdict(scores)[2].endswith(
        " So few pairs say little at 10: the first answer is right in 13.8 %, that of the start in "
        "6.2 %."
    )
    assert on_birds == "Zero-shot on the classes of birds: 45.0 %, the start 40.0 %."
    assert guard.startswith("No worse.")
    judged = ScoreTable({**scores, "guard": {
        "outcome": "kept", "reason": "No worse.", "n": 400,
        "against": {"zero_shot": {"difference": 0.1, "ci": [0.05, 0.15]}},
    }})  # fmt: skip
    sentence = pair_verdict(judged)[-1]
    assert "Shipped minus the start there: +10.0 points" in sentence
    assert sentence.endswith(", recall at 1 on 200 pairs.")
    assert pair_verdict(pair_table(0.0))[0].startswith("Shipped: the start itself")
    assert how_few(pair_table(images=20_000)) is None
