"""Penalties against numpy and plain PyTorch; their frozen copies, their checkpoints."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import ModelError, RunError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.penalties import (
    distillation,
    feature_distance,
    teacher_momentum,
    watch_features,
    weight_distance,
)
from adapt.training.settings import Optim
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
)
WEIGHTS = {"l2_sp": 20.0, "feature_distillation": 1000.0, "self_distillation": 20.0}
OFF = replace(ALL, l2_sp=0.0, feature_distillation=0.0, self_distillation=0.0)


def pixels_for(classifier: Classifier) -> Tensor:
    side = classifier.backbone.preprocessing.size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.numerical
def test_weight_distance() -> None:
    random = np.random.default_rng(0)
    now = {"a": random.normal(size=(3, 4)), "b": random.normal(size=5)}
    start = {name: random.normal(size=value.shape) for name, value in now.items()}
    expected = sum(((now[name] - start[name]) ** 2).sum() for name in now)
    tensors = ({n: torch.from_numpy(v) for n, v in values.items()} for values in (now, start))
    assert float(weight_distance(*tensors)) == pytest.approx(expected, rel=1e-6)


def slow_ldifs(now: list[np.ndarray], start: list[np.ndarray]) -> float:
    """Number by number: over tokens normalised, over everything averaged, as the authors do."""
    depths = []
    for one, other in zip(now, start, strict=True):
        images, tokens, width = one.shape
        total = 0.0
        for image in range(images):
            for channel in range(width):
                a, b = one[image, :, channel], other[image, :, channel]
                a, b = a / np.sqrt(sum(a * a)), b / np.sqrt(sum(b * b))
                total += sum((a[token] - b[token]) ** 2 for token in range(tokens))
        depths.append(total / (images * width * tokens))
    return float(np.mean(depths))


@pytest.mark.numerical
def test_feature_distance() -> None:
    random = np.random.default_rng(0)
    now, start = (
        [random.normal(size=(4, tokens, width)) for tokens, width in ((5, 3), (2, 6))]
        for _ in range(2)
    )
    value = feature_distance(*([torch.from_numpy(v) for v in values] for values in (now, start)))
    assert float(value) == pytest.approx(slow_ldifs(now, start), rel=1e-5)


def test_a_channel_that_is_zero_on_all_tokens_has_a_finite_gradient() -> None:
    now = torch.zeros(1, 3, 2, requires_grad=True)
    feature_distance([now], [torch.ones(1, 3, 2)]).backward()
    assert now.grad is not None
    assert torch.isfinite(now.grad).all()


@pytest.mark.numerical
def test_distillation() -> None:
    random = np.random.default_rng(0)
    own, wise = ([3 * random.normal(size=(4, width)) for width in (3, 5)] for _ in range(2))
    expected = sum(
        rel_entr(softmax(q, 1), softmax(p, 1)).sum(1).mean() for p, q in zip(own, wise, strict=True)
    )
    found = distillation(*([torch.from_numpy(v) for v in values] for values in (own, wise)))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.numerical
def test_masked_logits_play_no_part() -> None:
    own, wise = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    low = torch.finfo(torch.float32).min
    masked = [F.pad(matrix, (0, 2), value=low).requires_grad_() for matrix in (own, wise)]
    found = distillation(masked[:1], [masked[1].detach()])
    torch.testing.assert_close(found, distillation([own], [wise]))
    found.backward()
    assert masked[0].grad is not None
    assert torch.isfinite(masked[0].grad).all()
    assert not masked[0].grad[:, 4:].any()


@given(st.integers(1, 5000))
def test_the_teacher_moves_about_fifty_times(steps: int) -> None:
    momenta = [teacher_momentum(step, steps) for step in range(1, steps + 1)]
    moved = [value for value in momenta if value != 1]
    assert moved == sorted(moved)
    assert all(0.05 < value <= 0.9 for value in moved)
    assert min(steps, 50) <= len(moved) < 100
    assert momenta[-1] in (0.9, 1)


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
    assert len(seen) == depths
    for found, expected in zip(seen, expected_features(classifier, pixels), strict=True):
        torch.testing.assert_close(found, expected)
    classifier(pixels)
    assert len(seen) == depths, "nothing is left in the model"


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
        (loss + optim.self_distillation * divergence).backward()
        torch.nn.utils.clip_grad_norm_(parameters.values(), optim.clip_norm)
        adam.step()
        with torch.no_grad():
            for name, parameter in parameters.items():
                slow[name].copy_(0.9 * slow[name] + 0.1 * parameter)
    return weights(classifier)


@pytest.mark.numerical
@pytest.mark.parametrize("only", ["l2_sp", "feature_distillation", "self_distillation", ""])
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
    moves_features = any(
        p.requires_grad for p in method.prepare(start).backbone.image_encoder.parameters()
    )
    optim = ALL if moves_features else replace(ALL, feature_distillation=0.0)
    before = weights(start)
    held = replace(method, optim=optim).fit(start, toy_data, context)
    plain = replace(method, optim=OFF).fit(start, toy_data, context)
    assert bit_equal(before, weights(start))
    assert not bit_equal(weights(held), weights(plain))
    assert held.state_dict().keys() == plain.state_dict().keys()


def test_features_of_a_frozen_encoder_cannot_be_held(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    method = adapt.method("bitfit", encoder="text", optim=ALL)
    with pytest.raises(ModelError, match="nothing to hold - the image encoder is frozen"):
        method.fit(start, toy_data, context)


@pytest.mark.numerical
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
    assert set(stored["teacher"]) == trained
    (adam,) = stored["optimizer_states"]
    assert len(adam["state"]) == len(trained)
    assert not torch.equal(
        stored["teacher"]["head.weight"], stored["state_dict"]["classifier.head.weight"]
    )


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
