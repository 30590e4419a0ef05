"""Every method either heeds class weights and balances, or refuses them: none ignores them."""

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import RecipeError
from adapt.methods import base, register, schemas
from adapt.methods.features.support import Support
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.objectives import CrossEntropy
from adapt.training.settings import Optim
from tests.helpers.support_problem import fit_probe
from tests.helpers.tiny import CLASSES, bit_equal, tiny_classifier, weights

METHODS = list(schemas())
SETTINGS: dict[str, dict[str, Any]] = {
    "linear_probe": {"C": 10.0},
    "lp_ft": {"probe": LinearProbe(C=1.0)},
    # By shots they would take thousands of steps.
    "clip_lora": {"steps_per_shot": 0},
    "two_stage": {"steps_per_shot": 0},
    "contrastive": {"captions": "prompts"},
    "lit": {"captions": "prompts"},
}
WITH_OPTIM = [name for name in METHODS if hasattr(schemas()[name](), "optim")]
HEEDS = [name for name in METHODS
         if {"optim", "class_weights"} & {one.name for one in fields(schemas()[name])}]  # fmt: skip
CONTRASTS = ("flyp", "contrastive", "lit")


def make(name: str, **optim: Any) -> Any:
    method = adapt.method(name, **SETTINGS.get(name, {}))
    if hasattr(method, "optim"):
        method = replace(method, optim=Optim(**{"lr": 3e-3, "epochs": 1, "batch_size": 8} | optim))
    return method


@pytest.fixture
def uneven(toy_data: ImageData) -> ImageData:
    """2, 8 and 6 images of the three classes."""
    return ImageData(toy_data.train.subset([*range(2), *range(8, 22)]), None)


@pytest.mark.parametrize("name", METHODS)
def test_balance_acts_or_is_refused(
    name: str, start: Classifier, uneven: ImageData, context: Context
) -> None:
    own = replace(context, balance="uniform")
    if name in HEEDS:
        plain = weights(make(name).fit(start, uneven, context))
        assert not bit_equal(plain, weights(make(name).fit(start, uneven, own)))
    else:
        with pytest.raises(RecipeError, match=f"data.balance - has no effect on the method {name}"):
            make(name).fit(start, uneven, own)


@pytest.mark.parametrize("name", METHODS)
def test_class_weights_act_or_are_refused(
    name: str, start: Classifier, uneven: ImageData, context: Context
) -> None:
    if name in CONTRASTS:
        with pytest.raises(ValueError, match=r"optim\.class_weights - has no effect here"):
            make(name, class_weights="auto")
    elif name in WITH_OPTIM:
        plain = weights(make(name).fit(start, uneven, context))
        weighted = make(name, class_weights={CLASSES[0]: 8.0})
        assert not bit_equal(plain, weights(weighted.fit(start, uneven, context)))
        wrong = make(name, class_weights={"red_circel": 2.0})
        with pytest.raises(RecipeError, match=r"optim\.class_weights\.red_circel - not a class, d"):
            wrong.fit(start, uneven, context)
    elif name in HEEDS:
        plain = weights(make(name).fit(start, uneven, context))
        weighted = replace(make(name), class_weights={CLASSES[0]: 8.0})
        assert not bit_equal(plain, weights(weighted.fit(start, uneven, context)))
    else:
        with pytest.raises(TypeError):
            adapt.method(name, class_weights="auto")


@pytest.mark.parametrize("name", WITH_OPTIM)
def test_mixing_acts_or_is_refused(
    name: str, start: Classifier, uneven: ImageData, context: Context
) -> None:
    for setting in ("mixup", "cutmix"):
        if name in CONTRASTS:
            with pytest.raises(ValueError, match=rf"optim\.{setting} - has no effect here"):
                make(name, **{setting: 1.0})
            continue
        plain = weights(make(name).fit(start, uneven, context))
        mixed = weights(make(name, **{setting: 1.0}).fit(start, uneven, context))
        assert not bit_equal(plain, mixed)
        assert bit_equal(mixed, weights(make(name, **{setting: 1.0}).fit(start, uneven, context)))


@pytest.mark.numerical
def test_equal_classes_weigh_nothing(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """`auto` on classes of one size is a loss without weights, up to rounding."""
    plain = weights(make("full").fit(start, toy_data, context))
    auto = weights(make("full", class_weights="auto").fit(start, toy_data, context))
    for key, value in plain.items():
        torch.testing.assert_close(auto[key], value, atol=1e-4, rtol=1e-4)


@pytest.mark.numerical
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weighted_loss_by_hand(smoothing: float) -> None:
    classifier, weight = tiny_classifier(), torch.tensor([0.5, 2.0, 4.0], dtype=torch.float64)
    batch = {"image": torch.randn(5, 3, 32, 32), "target": torch.tensor([0, 1, 1, 2, 0])}
    objective = CrossEntropy(smoothing, class_weights=weight)
    loss, (logits,) = objective(classifier, batch, torch.Generator())
    shares = F.one_hot(batch["target"], 3) * (1 - smoothing) + smoothing / 3
    by_hand = -(shares * weight * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss.double(), by_hand)
    # A class's weight acts alike in a batch of that class alone.
    one = {"image": batch["image"][3:4], "target": batch["target"][3:4]}
    twice = CrossEntropy(smoothing, class_weights=2 * weight)
    loss, _ = objective(classifier, one, torch.Generator())
    torch.testing.assert_close(twice(classifier, one, torch.Generator())[0], 2 * loss)


@pytest.mark.numerical
@pytest.mark.parametrize("given", ["balanced", {0: 1.0, 1: 5.0, 2: 0.3}], ids=str)
def test_probe_equals_scikit_learn(given: Any) -> None:
    random = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [40, 6, 14])
    features = random.normal(size=(60, 5)) + targets[:, None] * 0.5
    reference = LogisticRegression(C=0.7, class_weight=given, tol=1e-10, max_iter=10_000)
    reference.fit(features, targets)
    if given == "balanced":
        factor = torch.tensor([60 / (3 * 40), 60 / (3 * 6), 60 / (3 * 14)])
    else:
        factor = torch.tensor([1.0, 5.0, 0.3])
    x, y = torch.from_numpy(features), torch.from_numpy(targets)
    weight, bias = fit_probe(x, y, 3, 0.7, class_weights=factor)
    ours = (x @ weight.double().T + bias.double()).softmax(1)
    np.testing.assert_allclose(ours.numpy(), reference.predict_proba(features), atol=1e-4)


@pytest.mark.numerical
@pytest.mark.parametrize(("setting", "balance"), [("auto", "none"), ("none", "uniform")])
def test_probe_method_equals_scikit_learn(
    setting: str, balance: str, start: Classifier, uneven: ImageData, context: Context
) -> None:
    """Equal draws of the classes are scikit-learn's balanced weights."""
    probe = LinearProbe("zero", C=5.0, class_weights=setting)
    tuned = probe.fit(start, uneven, replace(context, balance=balance))
    pixels = prepare(uneven.train, start.backbone.preprocessing, context.runtime)
    features = image_features(start.backbone, pixels, context.runtime)
    targets = uneven.train.targets(start.class_names)
    reference = LogisticRegression(C=5.0, class_weight="balanced", tol=1e-10, max_iter=10_000)
    reference.fit(features.double().numpy(), targets)
    logits = tuned.head(features).detach()
    expected = reference.predict_proba(features.double().numpy())
    np.testing.assert_allclose(logits.softmax(1).numpy(), expected, atol=1e-3)


@pytest.mark.numerical
def test_search_weighs_accuracy() -> None:
    """Two val images of a rare class outweigh ten of a frequent one, if their weights do."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(40, 4, generator=random)
    y = torch.cat([torch.zeros(36, dtype=torch.long), torch.ones(4, dtype=torch.long)])
    x[y == 1, 0] += 1.5
    held = (torch.randn(12, 4, generator=random), torch.tensor([0] * 10 + [1] * 2))
    held[0][-2:, 0] += 1.5
    probe, factor = LinearProbe("zero"), torch.tensor([0.1, 10.0])
    x, held = (
        torch.nn.functional.normalize(x, dim=1),
        (
            torch.nn.functional.normalize(held[0], dim=1),
            held[1],
        ),
    )
    strength = probe.search(Support(x[None], y, torch.eye(2, 4), held), factor)

    def score(c: float) -> float:
        weight, bias = fit_probe(x, y, 2, c, class_weights=factor)
        right = ((held[0] @ weight.T + bias).argmax(1) == held[1]).double()
        return float((right * factor[held[1]]).sum() / factor[held[1]].sum())

    assert score(strength) >= max(score(10.0**power) for power in (-6, -2, 0, 2, 6))


def test_a_new_method_refuses_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_TABLE", dict(base._TABLE))

    @register("mine")
    @dataclass
    class Mine:
        """Nothing."""

        def fit(self, start: Any, data: Any, context: Any = None) -> Any:
            """What came in."""
            return start

    data = SimpleNamespace(several_labels=False)
    assert Mine().fit(3, data) == Mine().fit(3, data, Context()) == 3
    with pytest.raises(RecipeError, match=r"data\.balance - has no effect on the method mine"):
        Mine().fit(3, data, Context(balance="sqrt"))
    assert Mine.fit.__doc__ == "What came in."
