"""One temperature and an offset per class: the optimum of Platt's softened likelihood."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from adapt.evaluation.several_labels.calibration import LabelCalibration, fit_label_calibration


def test_equal_to_a_general_minimiser() -> None:
    random = np.random.default_rng(0)
    targets = (random.random((80, 3)) < [0.1, 0.4, 0.7]).astype(float)
    logits = 6 * random.normal(size=(80, 3)) + 5 * targets + [3, 0, -8]
    present = targets.sum(0)
    soft = np.where(targets > 0, (present + 1) / (present + 2), 1 / (80 - present + 2))

    def loss(point: np.ndarray) -> float:
        scaled = point[0] * logits + point[1:]
        return float((np.logaddexp(0, scaled) - soft * scaled).sum())

    best = minimize(loss, np.array([0.2, 0, 0, 0]), method="BFGS", options={"gtol": 1e-7})
    fitted = fit_label_calibration(logits, targets)
    assert 1 / fitted.temperature == pytest.approx(best.x[0], rel=1e-4)
    assert np.allclose(fitted.offsets, best.x[1:], atol=1e-3)


def test_probabilities_and_losses() -> None:
    own, logits, targets = LabelCalibration(2.0, (1.0, 0.0)), np.array([[2.0, -4.0]]), [[1, 0]]
    p = expit([2.0, -2.0])
    assert np.allclose(own.probabilities(logits), p)
    assert own.losses(logits, targets)[0] == pytest.approx(-(np.log(p[0]) + np.log(1 - p[1])) / 2)


def test_classes_without_images_and_logits_that_say_nothing_stay_finite() -> None:
    fitted = fit_label_calibration(np.zeros((5, 2)), np.array([[1, 0]] * 5))
    assert np.isfinite(fitted.offsets).all()
    assert fitted.temperature > 0
    wrong = np.array([[3.0], [-3.0]] * 5)
    against = fit_label_calibration(wrong, (wrong < 0).astype(int))
    assert against.temperature > 1000  # it does not turn the ranking round
