"""All penalties in trainings against plain PyTorch; what they copy, their checkpoints."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import ModelError, RunError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.penalties.lipsum_ft import random_tokens
from adapt.training.regularisers import Regularisers, watch_features
from adapt.training.settings import OF_IMAGE_ENCODER, Optim
from tests.helpers.methods import WITH_OPTIM, make
from tests.helpers.tiny import (
    CLASSES,
    RESNET,
    TIMM,
    VIT,
    bit_equal,
    in_float64,
    tiny_classifier,
    weights,
)
from tests.helpers.training import Stop, close, fit, normalised

ALL = Optim(
    lr=1e-3,
    epochs=1,
    batch_size=8,
    warmup=0.0,
    l2_sp=0.5,
    feature_distillation=300.0,
    self_distillation=1.5,
    car_ft=1.0,
    lipsum_ft=1.0,
    orthogonality=0.2,
    cross_norm=0.05,
)
WEIGHTS = {
    "l2_sp": 20.0,
    "feature_distillation": 1000.0,
    "self_distillation": 20.0,
    "car_ft": 50.0,
    "lipsum_ft": 10.0,
    "orthogonality": 2.0,
    "cross_norm": 2.0,
}
OFF = replace(ALL, **dict.fromkeys(WEIGHTS, 0.0))
OF_PROJECTION = {"orthogonality": 0.0, "cross_norm": 0.0}


def pixels_for(classifier: Classifier) -> Tensor:
    side = classifier.backbone.preprocessing.size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def expected_features(classifier: Classifier, pixels: Tensor) -> list[Tensor]:
    """What open_clip and timm say themselves of the depths, as they can."""
    encoder: Any = classifier.backbone.image_encoder
    if hasattr(encoder, "trunk"):
        trunk = encoder.trunk
        depths = trunk.forward_intermediates(
            pixels, return_prefix_tokens=True, intermediates_only=True
        )
        tokens = [torch.cat([prefix, grid.flatten(2).mT], 1) for grid, prefix in depths]
        first = trunk.norm_pre(trunk._pos_embed(trunk.patch_embed(pixels)))
        quarters = {-(-len(tokens) * quarter // 4) for quarter in (1, 2, 3, 4)}
        return [first, *(tokens[number - 1] for number in sorted(quarters))]
    if hasattr(encoder, "attnpool"):
        stages = encoder.forward_intermediates(pixels)["image_intermediates"]
        return [stage.flatten(2).mT for stage in (encoder.stem(pixels), *stages[1:])]
    grid = encoder.conv1(pixels).flatten(2).mT
    token = encoder.class_embedding.expand(len(grid), 1, -1)
    tokens = encoder.ln_pre(torch.cat([token, grid], 1) + encoder.positional_embedding)
    found = [tokens]
    for block in encoder.transformer.resblocks:  # two of them: every one ends a quarter
        tokens = block(tokens)
        found.append(tokens)
    return found


@pytest.mark.numerical
@pytest.mark.parametrize(("arch", "depths"), [(VIT, 3), (RESNET, 5), (TIMM, 5)])
@torch.no_grad()
def test_watched_features(arch: str, depths: int) -> None:
    classifier = tiny_classifier(arch)
    pixels = pixels_for(classifier)
    with watch_features(classifier) as seen:
        classifier(pixels)
    assert len(seen.depths) == depths
    for found, expected in zip(seen.depths, expected_features(classifier, pixels), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(seen.features, classifier.features(pixels))
    with watch_features(classifier, depths=False) as fewer:
        classifier(pixels[:1]), classifier(pixels[1:])
    assert not fewer.depths
    torch.testing.assert_close(fewer.features, seen.features)
    assert [len(parts) for parts in (seen.outputs, *seen.by_depth)] == [1] * (depths + 1), (
        "nothing is left in the model"
    )


def contexts_of(start: Classifier) -> Tensor:
    """Of OpenAI's templates, the mean text feature over the classes."""
    words = [name.replace("_", " ") for name in CLASSES]
    with torch.no_grad():
        means = [
            start.backbone.encode_text([template(word) for word in words]).mean(0)
            for template in open_clip.OPENAI_IMAGENET_TEMPLATES
        ]
    return F.normalize(torch.stack(means), dim=1)


def beside_texts(
    classifier: Classifier, start: Classifier, pixels: Tensor, step: int, optim: Optim
) -> Tensor:
    """What CAR-FT and Lipsum-FT hold, and both projections."""
    model, scale = classifier.backbone.model, start.backbone.model.logit_scale.exp().detach()
    tokens = random_tokens(start.backbone, torch.Generator().manual_seed(step))
    with torch.no_grad():
        texts = F.normalize(start.backbone.model.encode_text(tokens), dim=1)
        before = start.features(pixels)
    now, contexts = classifier.features(pixels), contexts_of(start)
    wise = (scale * before @ contexts.T).softmax(1)
    own = (scale * now @ contexts.T).softmax(1)
    total = optim.car_ft * (wise * (wise.log() - own.log())).sum(1).mean()
    gap = scale * (now @ texts.T - before @ texts.T)
    total = total + optim.lipsum_ft * (gap**2).sum(1).mean() / (2 * 80)
    matrix = model.visual.proj
    apart = matrix.T @ matrix - torch.eye(matrix.shape[1])
    total = total + optim.orthogonality * (apart**2).sum().sqrt()
    product = matrix @ model.text_projection.T
    whole: Tensor = total + optim.cross_norm * (product**2).sum().sqrt()
    return whole


def by_hand(start: Classifier, data: ImageData, optim: Optim) -> dict[str, Tensor]:
    """Three steps of plain PyTorch with all penalties written out."""
    classifier, teacher = start.clone().requires_grad_(False), start.clone()
    classifier.backbone.image_encoder.requires_grad_(True)
    classifier.head.requires_grad_(True)
    parameters = {n: p for n, p in classifier.named_parameters() if p.requires_grad}
    began = {n: p.detach().clone() for n, p in parameters.items()}
    slow = dict(teacher.named_parameters())
    loader = ImageDataModule(
        data.train, None, CLASSES, start.backbone.preprocessing, "none", 8, 0, 0
    ).train_dataloader()
    adam = torch.optim.AdamW(
        [{"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
         {"params": [p for p in parameters.values() if p.ndim >= 2]}],
        weight_decay=optim.weight_decay,
    )  # fmt: skip
    loader.sampler.set_epoch(0)  # type: ignore[attr-defined]
    for step, batch in enumerate(normalised(loader, start)):
        for group in adam.param_groups:
            group["lr"] = optim.lr * (1 + np.cos(np.pi * step / 3)) / 2
        adam.zero_grad()
        pixels = batch["image"].double()
        logits = classifier(pixels)
        moved = sum((p - began[n]).pow(2).sum() for n, p in parameters.items())
        distances = []
        pairs = zip(
            expected_features(classifier, pixels), expected_features(start, pixels), strict=True
        )
        for now, before in pairs:
            unit = [f / (f**2).sum(1, keepdim=True).sqrt() for f in (now, before.detach())]
            distances.append(((unit[0] - unit[1]) ** 2).mean())
        with torch.no_grad():
            wise = teacher(pixels).softmax(1)
        divergence = (wise * (wise.log() - logits.softmax(1).log())).sum(1).mean()
        loss = F.cross_entropy(logits.float(), batch["target"]) + optim.l2_sp * moved
        loss = loss + optim.feature_distillation * sum(distances) / len(distances)
        loss = loss + beside_texts(classifier, start, pixels, step, optim)
        (loss + optim.self_distillation * divergence).backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), optim.clip_norm)
        adam.step()
        with torch.no_grad():
            for name, parameter in parameters.items():
                slow[name].copy_(0.9 * slow[name] + 0.1 * parameter)
    return weights(classifier)


@pytest.mark.numerical
@pytest.mark.parametrize("only", [*WEIGHTS, ""])
def test_training_equals_plain_pytorch(
    only: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    optim, start = replace(OFF, **{only: WEIGHTS[only]}) if only else ALL, in_float64(start)
    found = weights(fit(start, toy_data, optim, context))
    # Penalties are float32: 1e-7 of the gradient, where 1e-5 of it is the least of 30,000 numbers.
    close(found, by_hand(start, toy_data, optim), 1e-4, keys=False)
    plain = weights(fit(start, toy_data, OFF, context))
    assert max(float((found[n] - plain[n]).abs().max()) for n in plain) > 5e-4


@pytest.mark.parametrize("name", WITH_OPTIM)
def test_every_gradient_method_takes_them(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    method = make(name, ALL)
    tuned = method.prepare(start).backbone.image_encoder
    moves_features = any(p.requires_grad for p in tuned.parameters())
    off = {} if moves_features else dict.fromkeys(OF_IMAGE_ENCODER, 0.0)
    off |= {} if tuned.proj.requires_grad else OF_PROJECTION
    optim = replace(ALL, **off)
    before = weights(start)
    held = replace(method, optim=optim).fit(start, toy_data, context)
    plain = replace(method, optim=OFF).fit(start, toy_data, context)
    assert bit_equal(before, weights(start))
    assert not bit_equal(weights(held), weights(plain))
    assert held.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("name", ["feature_distillation", "car_ft", "lipsum_ft"])
def test_features_of_a_frozen_encoder_cannot_be_held(
    name: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    method = adapt.method("bitfit", encoder="text", optim=replace(OFF, **{name: 1.0}))
    with pytest.raises(ModelError, match="nothing to hold - the image encoder is frozen"):
        method.fit(start, toy_data, context)


@pytest.mark.numerical
def test_what_is_off_costs_nothing(start: Classifier) -> None:
    """No copy, nothing watched, no penalty."""
    regularisers = Regularisers(start, OFF)
    assert (regularisers.start, regularisers.tensors()) == (None, [])
    with regularisers.watch(start) as watched:
        logits = start(pixels_for(start))
    assert not watched.outputs
    none: Any = None
    assert regularisers(start, logits, watched, (logits,), none, none) == {}


def test_gradient_checkpointing_changes_nothing(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    saving = fit(start, toy_data, replace(ALL, checkpointing=True), context)
    close(weights(fit(start, toy_data, ALL, context)), weights(saving), 1e-4, keys=False)


@pytest.mark.parametrize("arch", [RESNET, TIMM])
def test_other_encoders(arch: str, toy_data: ImageData, context: Context) -> None:
    start = tiny_classifier(arch)
    few = ImageData(toy_data.train.subset([0, 1, 8, 9, 16, 17]), None)
    optim = replace(ALL, batch_size=3)
    held, plain = (fit(start, few, one, context) for one in (optim, replace(OFF, batch_size=3)))
    assert all(torch.isfinite(p).all() for p in held.parameters())
    assert not bit_equal(weights(held), weights(plain))


# Checkpoints


def test_copies_stay_out_of_the_checkpoint(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    fit(start, toy_data, ALL, replace(context, folder=tmp_path))
    stored = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    trained = {
        n for n, _ in start.named_parameters() if n.startswith(("backbone.model.visual.", "head."))
    }
    assert {n.removeprefix("classifier.") for n in stored["state_dict"]} == trained
    assert set(stored["penalties"]) == {"self_distillation"}
    teacher = stored["penalties"]["self_distillation"]
    assert set(teacher) == trained
    (adam,) = stored["optimizer_states"]
    assert len(adam["state"]) == len(trained)
    assert not torch.equal(teacher["head.weight"], stored["state_dict"]["classifier.head.weight"])


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int, run: Callable[[], Any]) -> None:
    original, steps = AdaptModule.training_step, []

    def crash(self: AdaptModule, *given: Any) -> Any:
        steps.append(1)
        if len(steps) == step:
            raise Stop
        return original(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(AdaptModule, "training_step", crash)
        with pytest.raises(Stop):
            run()


@pytest.mark.numerical
@pytest.mark.parametrize(("name", "arch"), [("full", VIT), ("full", RESNET), ("flyp", VIT)])
def test_resumed_equals_uninterrupted(
    name: str,
    arch: str,
    toy_data: ImageData,
    context: Context,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The teacher and the statistics of batch norms go on too; the start is had again."""
    start = tiny_classifier(arch)
    method = adapt.method(name, optim=replace(ALL, epochs=3, batch_size=12))
    whole = weights(method.fit(start, toy_data, context))
    own = replace(context, folder=tmp_path)
    crash_at(monkeypatch, 4, lambda: method.fit(start, toy_data, own))
    resumed = method.fit(start, toy_data, replace(own, resume=True))
    assert bit_equal(whole, weights(resumed))


def test_resuming_without_the_teacher_is_refused(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    own = replace(context, folder=tmp_path)
    fit(start, toy_data, OFF, own)
    with pytest.raises(RunError, match="holds no teacher of this training"):
        fit(start, toy_data, replace(ALL, epochs=2), replace(own, resume=True))
