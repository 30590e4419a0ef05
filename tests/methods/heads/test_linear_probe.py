"""The probe against scikit-learn and scipy; its search against slow ones."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import (
    STRENGTHS,
    WITHOUT_FOLDS,
    LinearProbe,
    most_likely,
)
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from tests.helpers.logistic import direct, problem, sklearn_fit
from tests.helpers.support_problem import fit_probe

FEATURES = Path(__file__).parents[4] / "shared" / "data" / "clip_vitb32_features"

pytestmark = pytest.mark.numerical


def test_a_class_without_images_and_one_image() -> None:
    x, y = problem(3)
    weight, bias = fit_probe(x, y, 5, 1.0)
    assert weight.shape == (5, 6)
    assert torch.isfinite(weight).all()
    logits = x @ weight.T + bias
    assert int(logits.argmax(1).max()) < 3


@pytest.mark.parametrize("weighted", [False, True])
def test_the_most_likely_that_is_not_clearly_less_accurate(weighted: bool) -> None:
    random = np.random.default_rng(3)
    weights = random.uniform(0.2, 3, 50) if weighted else np.ones(50)
    outcomes = set()
    for _ in range(40):
        judged = {
            strength: (random.normal(size=50), (random.random(50) < 0.5 + chance) * 1.0)
            for strength, chance in zip(STRENGTHS, random.uniform(0, 0.4, 12), strict=True)
        }
        accuracy = {c: (weights * right).sum() for c, (_, right) in judged.items()}
        best = max(STRENGTHS, key=lambda c: accuracy[c])
        level = []
        for strength in STRENGTHS:
            lost = judged[best][1] - judged[strength][1]
            mean = (weights * lost).sum() / weights.sum()
            # The variance of a weighted mean of independent differences.
            spread = sum(w**2 * (d - mean) ** 2 for w, d in zip(weights, lost, strict=True))
            if mean <= spread**0.5 / weights.sum():
                level.append(strength)
        expected = max(level, key=lambda c: (weights * judged[c][0]).sum())
        assert most_likely(judged, weights) == expected
        outcomes.add((len(level) > 1, expected == best))
    assert {(True, False), (False, True)} <= outcomes


def toy_features(start: Classifier, data: ImageData, context: Context) -> list[Tensor]:
    parts = []
    for images in (data.train, data.val):
        assert images is not None
        pixels = prepare(images, start.backbone.preprocessing)
        parts += [
            image_features(start.backbone, pixels, context.runtime),
            torch.from_numpy(images.targets(start.class_names)),
        ]
    return parts


def test_method_fits_the_features(start: Classifier, toy_data: ImageData, context: Context) -> None:
    x, y, *_ = toy_features(start, toy_data, context)
    probe = adapt.method("linear_probe", initialisation="zero", C=3.0).fit(start, toy_data, context)
    expected = sklearn_fit(x, y, 3.0)
    np.testing.assert_allclose(probe.head.weight.detach(), expected.coef_, atol=1e-3)
    assert not probe.head_from_text
    anchored = adapt.method("linear_probe", C=1e-6).fit(start, toy_data, context)
    torch.testing.assert_close(anchored.head.weight, start.head.weight, atol=1e-3, rtol=0)


def test_method_searches_on_val_only(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    x, y, val_x, val_y = toy_features(start, toy_data, context)
    probe = adapt.method("linear_probe", initialisation="zero").fit(start, toy_data, context)

    truth, held = val_y.numpy(), val_x.double().numpy()

    models = {strength: sklearn_fit(x, y, strength) for strength in STRENGTHS}
    right = {c: (model.predict(held) == truth) * 1.0 for c, model in models.items()}
    best = max(STRENGTHS, key=lambda c: right[c].mean())
    level = [
        c
        for c in STRENGTHS
        if (lost := right[best] - right[c]).mean() <= lost.std() / len(truth) ** 0.5
    ]
    rows = np.arange(len(truth))
    expected = models[
        max(level, key=lambda c: models[c].predict_log_proba(held)[rows, truth].mean())
    ]
    logits = probe.head(val_x).detach().numpy()
    np.testing.assert_allclose(
        softmax(logits, axis=1), expected.predict_proba(val_x.double().numpy()), atol=5e-3
    )


@pytest.mark.parametrize("settings", [{"initialisation": "one"}, {"C": -1.0}, {"iterations": 0}])
def test_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=rf"^{next(iter(settings))} - "):
        adapt.method("linear_probe", **settings)


@pytest.mark.slow
@pytest.mark.skipif(not FEATURES.is_dir(), reason="the benchmark data are not here")
@pytest.mark.parametrize("name", ["caltech101", "dtd"])
def test_features_of_a_real_clip(name: str) -> None:
    with np.load(FEATURES / f"{name}.npz") as stored:
        arrays = {re.sub(r"\d+", "", key): stored[key] for key in stored.files}
    x, test = (torch.from_numpy(arrays[key].astype(np.float32)) for key in ("train_x", "test_x"))
    y = torch.from_numpy(arrays["train_y"]).long()
    weight, bias = fit_probe(x, y, int(y.max()) + 1, 100.0)
    found = (test @ weight.T + bias).argmax(1).numpy()
    model = LogisticRegression(C=100, tol=1e-6, max_iter=5000)
    expected = model.fit(x.double().numpy(), y.numpy()).predict(test.double().numpy())
    assert (found == expected).mean() >= 0.998
    truth = arrays["test_y"]
    assert (found == truth).mean() == pytest.approx((expected == truth).mean(), abs=0.001)


@pytest.mark.parametrize("initialisation", ["zero", "zero_shot"])
def test_without_val_the_likelihood_of_held_out_labels_decides(initialisation: str) -> None:
    """No neighbour of the value found is better, each fold judged by a direct minimisation."""
    x, y = problem(3, count=40)
    text = 5 * torch.nn.functional.normalize(torch.eye(3, 6) + 0.1, dim=1)
    support = Support(x[None], y, text)
    number = rounds(support, 3).numpy()
    base = text.double().numpy() if initialisation == "zero_shot" else np.zeros((3, 6))

    def likelihood(strength: float) -> float:
        parts = []
        for one in range(3):
            features, targets = x[number != one].double().numpy(), y[number != one].numpy()
            held, truth = x[number == one].double().numpy(), y[number == one].numpy()
            w, b = direct(features, targets, base, strength)
            logits = held @ w.T + b
            parts.append(logits[np.arange(len(truth)), truth] - logsumexp(logits, axis=1))
        return float(np.concatenate(parts).mean())

    chosen = STRENGTHS.index(LinearProbe(initialisation).search(support))
    near = range(max(chosen - 1, 0), min(chosen + 2, len(STRENGTHS)))
    assert max(near, key=lambda place: likelihood(STRENGTHS[place])) == chosen


def test_one_image_a_class_leaves_nothing_to_choose_by() -> None:
    support = Support(torch.eye(3)[None], torch.arange(3), torch.eye(3))
    assert LinearProbe().search(support) == WITHOUT_FOLDS
    assert LinearProbe().head(support)(torch.eye(3)).argmax(1).tolist() == [0, 1, 2]


def test_views_of_an_image_stay_together() -> None:
    """Twice the same view is each image counted twice: C is worth half."""
    x, y = problem(3, count=30)
    text = torch.nn.functional.normalize(torch.eye(3, 6), dim=1)
    one = LinearProbe(C=4.0).head(Support(x[None], y, text))
    two = LinearProbe(C=2.0).head(Support(torch.stack([x, x]), y, text))
    torch.testing.assert_close(one.weight, two.weight, atol=1e-3, rtol=1e-3)
