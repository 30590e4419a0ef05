"""Which parameters train, and their rates by layer."""

from dataclasses import replace

import pytest
import torch

import adapt
from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.parameters import freeze_first, parameter_groups
from adapt.training.settings import Optim
from tests.helpers.layers import LAYERS, depth
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier
from tests.helpers.training import ENCODER, MODEL


def rates(module: torch.nn.Module, optim: Optim) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter, by name."""
    names = {id(p): name for name, p in module.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in parameter_groups(module, optim):
        for parameter in group["params"]:  # type: ignore[attr-defined]
            name = names[id(parameter)]
            assert name not in found, "a parameter is in one group only"
            found[name] = (group["lr"], group["weight_decay"])  # type: ignore[assignment]
    return found


def trainable(arch: str) -> Classifier:
    classifier = tiny_classifier(arch).requires_grad_(False)
    classifier.backbone.image_encoder.requires_grad_(True)
    classifier.head.requires_grad_(True)
    return classifier


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_learning_rates_by_layer(arch: str) -> None:
    classifier = trainable(arch)
    optim = Optim(lr=0.1, layer_decay=0.5, weight_decay=0.3)
    found = rates(classifier, optim)
    assert set(found) == {n for n, p in classifier.named_parameters() if p.requires_grad}
    top = LAYERS[arch][0]
    for name, parameter in classifier.named_parameters():
        if parameter.requires_grad:
            expected = 0.1 * 0.5 ** (top - depth(arch, name))
            decay = 0.3 if parameter.ndim >= 2 else 0.0
            assert found[name] == pytest.approx((expected, decay)), name
    same = rates(classifier, replace(optim, layer_decay=1.0))
    assert {rate for rate, _ in same.values()} == {0.1}


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_freeze_first(arch: str, count: int) -> None:
    classifier = trainable(arch)
    freeze_first(classifier, count)
    for name, parameter in classifier.named_parameters():
        if name.startswith(ENCODER):
            frozen = count > 0 and depth(arch, name) <= count
            assert parameter.requires_grad is not frozen, name
    assert classifier.head.weight.requires_grad
    with pytest.raises(ModelError, match=f"the image encoder has {LAYERS[arch][0] - 1} blocks"):
        freeze_first(trainable(arch), LAYERS[arch][0])


def test_layer_decay_reaches_both_encoders(start: Classifier) -> None:
    prepared = adapt.method("flyp").prepare(start)
    names = {id(p): n for n, p in prepared.named_parameters()}
    found = {
        names[id(p)].removeprefix(MODEL): group["lr"]
        for group in parameter_groups(prepared, Optim(lr=1.0, layer_decay=0.5))
        for p in group["params"]  # type: ignore[attr-defined]
    }
    expected = {
        "visual.conv1.weight": 0.125,
        "visual.transformer.resblocks.0.ln_1.bias": 0.25,
        "visual.transformer.resblocks.1.ln_1.bias": 0.5,
        "visual.proj": 1.0,
        "token_embedding.weight": 0.125,
        "positional_embedding": 0.125,
        "transformer.resblocks.0.ln_1.bias": 0.25,
        "transformer.resblocks.1.ln_1.bias": 0.5,
        "text_projection": 1.0,
        "logit_scale": 1.0,
    }
    assert {name: found[name] for name in expected} == expected
