"""Logits in which absent classes cannot win."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from adapt.errors import DataError
from adapt.evaluation.evaluate import metrics
from adapt.evaluation.metrics.masking import mask_absent, match_classes, right


def table(images: int = 60, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(size=(images, classes)), random.integers(0, classes, images)


@given(seed=st.integers(0, 10**6), classes=st.integers(1, 8))
@example(seed=366876, classes=2)  # all images are of one class
@settings(deadline=None, max_examples=40)
def test_masked_softmax_against_the_softmax_of_present_classes(seed: int, classes: int) -> None:
    logits, targets = table(6, classes, seed)
    masked, present = mask_absent(logits, targets), np.unique(targets)
    assert (masked.present, masked.of) == (len(present), classes)
    assert masked.lacks_classes == (len(present) < classes)
    # Where one class is left alone nothing is masked: every answer would be right.
    shown = present if len(present) > 1 else np.arange(classes)
    found = softmax(masked.logits, axis=1)
    assert found[:, shown] == pytest.approx(softmax(logits[:, shown], axis=1))
    assert found.sum(axis=1) == pytest.approx(1)
    assert np.array_equal(
        right(masked.logits, targets), shown[logits[:, shown].argmax(axis=1)] == targets
    )
    again = mask_absent(masked.logits, targets)
    assert np.array_equal(again.logits, masked.logits)


def test_masked_logits_can_be_scored() -> None:
    logits, targets = table(40, 6, 3)
    targets = targets % 2
    scores = metrics(mask_absent(logits.astype(np.float32), targets).logits, targets)
    two = metrics(logits[:, :2].astype(np.float32), targets)
    assert scores == {key: pytest.approx(value) for key, value in two.items()}


def test_masking_leaves_its_input_alone() -> None:
    logits = np.ones((1, 3), np.float32)
    assert mask_absent(logits, [1]).logits.dtype == np.float32
    assert np.array_equal(logits, np.ones((1, 3)))


def test_match_classes_against_a_loop() -> None:
    logits, targets = table(30, 5, 7)
    found, kept = match_classes(logits, targets, [4, 1, 1])
    rows = [index for index, target in enumerate(targets) if target in (1, 4)]
    assert kept.tolist() == [targets[index] for index in rows]
    expected = [[logits[i, k] if k in (1, 4) else -np.inf for k in range(5)] for i in rows]
    assert np.array_equal(found, expected)
    assert match_classes(logits[:1], [0], [3])[0].shape == (0, 5)


@pytest.mark.parametrize(
    ("logits", "targets", "expected"),
    [
        (np.zeros((0, 3)), [], "not one row per image"),
        (np.zeros(3), [0, 1, 2], "not one row per image"),
        ([[0.0, np.nan]], [0], r"logits\[0\] - no highest class"),
        ([[0.0, 1.0], [-np.inf, -np.inf]], [0, 1], r"logits\[1\] - no highest class"),
        ([[0.0, np.inf]], [0], "no highest class"),
        ([[0.0, 1.0]], [2], r"targets\[0\] - no such class"),
        ([[0.0, 1.0]], [0, 1], "not one per image"),
    ],
)
def test_malformed_logits(logits: object, targets: list[int], expected: str) -> None:
    for function in (mask_absent, right):
        with pytest.raises(DataError, match=expected):
            function(logits, targets)  # type: ignore[operator]
