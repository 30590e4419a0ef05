"""Thresholds by F1: the best of all, found slowly; per class only where that generalises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from adapt.evaluation.several_labels.thresholds import best_threshold, fit_thresholds


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 99))
def test_no_other_threshold_is_better(images: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    given_, targets = random.random(images).round(1), random.random(images) < 0.4
    targets[0] = True
    chosen = f1_score(targets, given_ >= best_threshold(given_, targets))
    every = [f1_score(targets, given_ >= t, zero_division=0) for t in np.linspace(0, 1, 41)]
    assert chosen >= max(every) - 1e-12


def test_classes_with_other_scales_get_thresholds_of_their_own() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((200, 3)) < 0.3).astype(int)
    given_ = np.clip(
        [0.2, 0.5, 0.9] * (0.3 + 0.7 * targets) + random.normal(0, 0.01, (200, 3)), 0, 1
    )
    fitted = fit_thresholds(given_, targets)
    assert fitted.own.all()
    assert (np.diff(fitted.values) > 0.1).all()
    assert f1_score(targets, fitted.chosen, average="macro") > 0.98


def test_few_images_share_one_threshold() -> None:
    random = np.random.default_rng(1)
    targets = (random.random((30, 4)) < 0.1).astype(int)
    targets[:2] = 1
    fitted = fit_thresholds(random.random((30, 4)) * 0.5 + targets * 0.4, targets)
    assert len(set(fitted.values[~fitted.own])) <= 1
    assert fitted.chosen.shape == (30, 4)
    assert ((fitted.values >= 0) & (fitted.values <= 1)).all()
    again = fit_thresholds(random.random((30, 4)), targets)
    assert again.values.shape == (4,)


def test_images_are_judged_without_themselves() -> None:
    targets = np.tile([[1], [0]], (10, 1))
    fitted = fit_thresholds(np.full((20, 1), 0.5), targets)
    assert fitted.chosen.all()  # nothing tells them apart: yes to all has the higher F1
    assert fitted.values[0] == pytest.approx(0.25)
