"""What is worse than zero-shot on held-out images is not shipped."""

import numpy as np
import pytest

from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut


def outputs(*right: list[int]) -> HeldOut:
    """Held-out images of class 0, answered right (1) or wrong (0) at alpha 0, 0.5 and 1."""
    logits = [np.eye(2)[1 - np.array(row)] for row in right]
    targets = np.zeros(len(right[0]), int)
    return HeldOut(targets, dict(zip([0.0, 0.5, 1.0], logits, strict=True)))


def test_guard_steps_back_to_the_largest_alpha_that_is_not_worse() -> None:
    half, good, bad = [1, 0] * 10, [1] * 20, [0] * 20
    kept = guard(outputs(half, good, good), 1.0, ["a", "b"])
    assert (kept.outcome, kept.alpha_after, kept.worse_classes) == ("kept", 1.0, [])
    assert kept.against["zero_shot"]["difference"] == pytest.approx(0.5)
    lowered = guard(outputs(half, good, bad), 1.0, ["a", "b"], np.eye(2)[[0] * 20])
    assert (lowered.outcome, lowered.alpha_before, lowered.alpha_after) == ("lowered", 1.0, 0.5)
    assert lowered.against["linear_probe"]["difference"] == 0
    assert lowered.adapted["difference"] == pytest.approx(-0.5)
    fallback = guard(outputs(half, bad, bad), 0.5, ["a", "b"])
    assert (fallback.outcome, fallback.alpha_after) == ("fallback", 0.0)
    assert fallback.reason == (
        "The adapted model is worse than zero-shot (-50.0 points against zero-shot on held-out "
        "images); the guard goes back to alpha 0, which is zero-shot."
    )
    kept_mixed = guard(outputs(half, good, bad), 0.5, ["a", "b"], end="linear probe")
    assert kept_mixed.reason == (
        "Alone, the linear probe is worse (-50.0 points against zero-shot on held-out images); "
        "mixed at alpha 0.5, it is not."
    )
    chosen_zero = guard(outputs(half, bad, bad), 0.0, ["a", "b"])
    assert chosen_zero.outcome == "fallback", "the rule took zero-shot because the rest is worse"
    nothing_lost = guard(outputs(half, half, half), 0.0, ["a", "b"])
    assert nothing_lost.outcome == "kept"


def test_guard_names_classes_that_lost_beyond_chance() -> None:
    targets = np.repeat([0, 1, 2], [20, 20, 3])
    start_right = np.concatenate([np.ones(20), np.zeros(20), np.ones(3)])
    tuned_right = np.concatenate([np.zeros(20), np.ones(20), np.zeros(3)])
    tuned_right[:8] = 1
    tuned_right = np.where(targets == 1, 1, tuned_right)

    def logits(right: np.ndarray) -> np.ndarray:
        return np.eye(3)[np.where(right == 1, targets, (targets + 1) % 3)]

    held = HeldOut(targets, {0.0: logits(start_right), 1.0: logits(tuned_right)})
    found = guard(held, 1.0, ["a", "b", "c"])
    assert found.outcome == "kept"
    (worse,) = found.worse_classes
    assert (worse["class"], worse["n"], worse["difference"]) == ("a", 20, pytest.approx(-0.6))
    assert worse["ci"][1] < 0
