"""The rules of `Uncertainty`, which computes in numpy, are what tensors must give."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax

from adapt.export.graph.verdicts import abstained, conformal_sets, unknown
from adapt.models.prediction.uncertainty import Uncertainty

LOGITS = np.random.default_rng(0).normal(0, 3, (200, 7)).astype(np.float32)
TEMPERATURE = 1.4
PROBABILITIES = softmax(LOGITS.astype(np.float64) / TEMPERATURE, axis=1)
GIVEN = torch.from_numpy(PROBABILITIES), torch.from_numpy(LOGITS)


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
@pytest.mark.parametrize("randomised", [False, True])
@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize("per_class", [None, (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)])
def test_conformal_sets(
    score: str, randomised: bool, empty: bool, per_class: tuple[float, ...] | None
) -> None:
    extra = {"conformal_penalty": 0.03, "conformal_free_ranks": 2} if score == "raps" else {}
    own = Uncertainty(
        conformal_level=0.8,
        conformal_threshold=0.4,
        conformal_per_class=per_class,
        conformal_score=score,
        conformal_randomised=randomised,
        conformal_empty=empty,
        **extra,
    )
    wanted = own.verdicts(PROBABILITIES, LOGITS, TEMPERATURE).sets
    given = conformal_sets(*GIVEN, own).numpy()
    np.testing.assert_array_equal(given, wanted)
    assert 0 < wanted.mean() < 1
    assert wanted.any(1).all() or empty


def test_abstaining() -> None:
    own = Uncertainty(abstain_below=0.6, abstain_coverage=0.5)
    np.testing.assert_array_equal(abstained(GIVEN[0], own).numpy(), PROBABILITIES.max(1) < 0.6)


@pytest.mark.parametrize("detector", ["msp", "energy"])
def test_unknown(detector: str) -> None:
    energies = TEMPERATURE * logsumexp(LOGITS.astype(np.float64) / TEMPERATURE, axis=1)
    wanted = {"msp": PROBABILITIES.max(1), "energy": energies}[detector]
    limit = float(np.median(wanted))
    own = Uncertainty(unknown_detector=detector, unknown_threshold=limit)
    scores, strange = unknown(*GIVEN, TEMPERATURE, own)
    np.testing.assert_allclose(scores.numpy(), wanted, rtol=1e-12)
    np.testing.assert_array_equal(strange.numpy(), wanted < limit)


def test_without_thresholds_nothing_is_said() -> None:
    own = Uncertainty()
    assert not abstained(GIVEN[0], own).any()
    assert not conformal_sets(*GIVEN, own).any()
    scores, strange = unknown(*GIVEN, TEMPERATURE, own)
    assert not strange.any()
    assert not scores.any()
