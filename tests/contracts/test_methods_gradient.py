"""What each gradient method trains, from where, and with which limits."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.runs.plan import trainable_parameters
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.parameters import parameter_groups
from adapt.training.settings import Optim
from tests.helpers.tiny import CLASSES, RESNET, TIMM, VIT, bit_equal, tiny_classifier, weights
from tests.helpers.training import plain_trainer

QUICK = Optim(lr=1e-2, epochs=1, batch_size=8, warmup=0.0)
STILL = Optim(lr=1e-12, epochs=1, batch_size=24)
MODEL = "backbone.model."
HEAD = {"head.weight", "head.bias"}


def changed(before: Classifier, after: Classifier) -> set[str]:
    one, other = before.state_dict(), after.state_dict()
    return {name for name in one if not torch.equal(one[name], other[name])}


# LP-FT and PAINT


def test_lp_ft_starts_from_the_probe(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    probe = LinearProbe(C=10.0)
    probed = probe.fit(start, toy_data, context)
    still = adapt.method("lp_ft", probe=probe, optim=STILL).fit(start, toy_data, context)
    torch.testing.assert_close(still.head.weight, probed.head.weight, atol=1e-8, rtol=0)
    torch.testing.assert_close(still.head.bias, probed.head.bias, atol=1e-8, rtol=0)
    assert not torch.allclose(probed.head.weight, start.head.weight, atol=1e-2)
    moving = adapt.method("lp_ft", probe=probe, optim=QUICK)
    tuned = moving.fit(start, toy_data, context)
    assert changed(probed, tuned) == {
        name for name in start.state_dict() if name.startswith((f"{MODEL}visual.", "head."))
    }
    assert not tuned.head_from_text
    by_full = adapt.method("full", optim=QUICK).fit(probed, toy_data, context)
    assert bit_equal(weights(tuned), weights(by_full))


def test_paint_is_full_without_the_head(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    painted = adapt.method("paint", optim=QUICK).fit(start, toy_data, context)
    full = adapt.method("full", train_head=False, optim=QUICK).fit(start, toy_data, context)
    assert bit_equal(weights(painted), weights(full))
    assert not changed(start, painted) & HEAD
    assert painted.head_from_text


# BitFit and norm tuning

BIASES = {
    VIT: r"visual\.(ln_(pre|post)|transformer\.resblocks\.\d\.(ln_\d|attn\.out_proj|mlp\.c_\w+))"
    r"\.bias|visual\.transformer\.resblocks\.\d\.attn\.in_proj_bias",
    RESNET: r"visual\.(bn\d|layer\d\.0\.(bn\d|downsample\.1)|attnpool\.\w_proj)\.bias",
    TIMM: r"visual\.trunk\.(patch_embed\.proj|norm|blocks\.\d\.(norm\d|attn\.(qkv|proj)|mlp\.fc\d))"
    r"\.bias",
}
NORMS = {
    VIT: r"visual\.(ln_(pre|post)|transformer\.resblocks\.\d\.ln_\d)\.(weight|bias)",
    RESNET: r"visual\.(bn\d|layer\d\.0\.(bn\d|downsample\.1))\.(weight|bias)",
    TIMM: r"visual\.trunk\.(norm|blocks\.\d\.norm\d)\.(weight|bias)",
}
TEXT = {
    "bitfit": r"(ln_final|transformer\.resblocks\.\d\.(ln_\d|attn\.out_proj|mlp\.c_\w+))\.bias|"
    r"transformer\.resblocks\.\d\.attn\.in_proj_bias",
    "norm_tuning": r"(ln_final|transformer\.resblocks\.\d\.ln_\d)\.(weight|bias)",
}


def matching(start: Classifier, pattern: str) -> set[str]:
    return {
        name
        for name, _ in start.named_parameters()
        if re.fullmatch(pattern, name.removeprefix(MODEL))
    }


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
@pytest.mark.parametrize(("name", "patterns"), [("bitfit", BIASES), ("norm_tuning", NORMS)])
def test_few_numbers_train(
    name: str, patterns: dict[str, str], arch: str, toy_data: ImageData, context: Context
) -> None:
    """All else is bit-equal, the statistics of batch norms among it."""
    start = tiny_classifier(arch)
    for key, parameter in start.named_parameters():
        if key.endswith("bn3.weight"):  # random ResNets begin with their branches at zero
            parameter.data.fill_(0.5)
    few = ImageData(toy_data.train.subset([0, 8, 16, 1]), None)
    method = adapt.method(name, optim=replace(QUICK, batch_size=4))
    expected = matching(start, patterns[arch])
    assert len(expected) >= 10
    prepared = method.prepare(start)
    assert {n for n, p in prepared.named_parameters() if p.requires_grad} == expected
    tuned = method.fit(start, few, context)
    assert changed(start, tuned) == expected
    assert tuned.head_from_text
    with_head = replace(method, train_head=True).fit(start, few, context)
    assert changed(start, with_head) == expected | HEAD
    assert not with_head.head_from_text


@pytest.mark.parametrize("name", ["bitfit", "norm_tuning"])
def test_encoders(name: str, start: Classifier, toy_data: ImageData, context: Context) -> None:
    image = matching(start, (BIASES if name == "bitfit" else NORMS)[VIT])
    text = matching(start, TEXT[name])
    for encoder, expected in (("image", image), ("text", text), ("both", image | text)):
        method = adapt.method(name, encoder=encoder, optim=QUICK)
        tuned = method.fit(start, toy_data, context)
        assert changed(start, tuned) - HEAD == expected
        assert (changed(start, tuned) & HEAD == set()) is (encoder == "image")
        torch.testing.assert_close(tuned.clone().rebuild_head().head.weight, tuned.head.weight)


@pytest.mark.parametrize("name", ["bitfit", "norm_tuning"])
def test_out_of_range(name: str) -> None:
    with pytest.raises(ValueError, match="encoder - not known - 'images' - choose one of image, "):
        adapt.method(name, encoder="images")
    for encoder in ("text", "both"):
        with pytest.raises(ValueError, match=f"train_head - does not go with encoder {encoder}"):
            adapt.method(name, encoder=encoder, train_head=True)


# The plan


def test_planned_parameters(start: Classifier) -> None:
    """Counted from the sizes of the tiny ViT: width 32, 2 blocks, 17 positions, 24 outputs."""
    block = 4 * 32 * 32 + 2 * 4 * 32 * 32  # attention, then the two layers of the MLP
    bias = 4 * 32 + 4 * 32 + 32
    norms = 2 * 2 * 32
    encoder = 3 * 8 * 8 * 32 + 32 + 17 * 32 + 32 * 24 + 2 * norms // 2 + 2 * (block + bias + norms)
    head = 3 * 24 + 3
    everything = sum(p.numel() for p in start.parameters())
    expected = {
        "zero_shot": 0,
        "linear_probe": head,
        "full": encoder + head,
        "lp_ft": encoder + head,
        "paint": encoder,
        "flyp": everything - head,
        "bitfit": 2 * 32 + 2 * (bias + 2 * 32),
        "norm_tuning": 2 * 2 * 32 + 2 * norms,
        "lora": 2 * 4 * 8 * (32 + 32),
    }
    found = {name: trainable_parameters(adapt.method(name), start) for name in expected}
    assert found == expected
    frozen = adapt.method("paint", optim=Optim(freeze_first=1))
    first = 3 * 8 * 8 * 32 + 32 + 17 * 32 + 2 * 32 + block + bias + norms
    assert trainable_parameters(frozen, start) == encoder - first


# Rates and limits


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


def test_layer_decay_acts_in_training(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    """Adam's first step is as long as the rate, whatever the gradient."""
    optim = replace(QUICK, batch_size=24, layer_decay=0.1, weight_decay=0.0)
    tuned = adapt.method("paint", optim=optim).fit(start, toy_data, context)
    before, after = weights(start), weights(tuned)
    expected = {
        "conv1.weight": 1e-5,
        "transformer.resblocks.0.mlp.c_fc.weight": 1e-4,
        "transformer.resblocks.1.mlp.c_fc.weight": 1e-3,
        "proj": 1e-2,
    }
    for name, rate in expected.items():
        full = f"{MODEL}visual.{name}"
        step = float((after[full] - before[full]).abs().median())
        assert step == pytest.approx(rate, rel=0.05), name


class Norms(pl.Callback):
    """Norm and largest entry of the gradients that each step was made with."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *_: Any) -> None:
        entries = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
        self.seen.append((float(entries.norm()), float(entries.abs().max())))


@pytest.mark.parametrize(
    ("own", "trainers", "norm", "entry"),
    [
        (0.0, {}, None, None),
        (0.01, {}, 0.01, None),
        (0.0, {"gradient_clip_val": 0.02}, 0.02, None),
        (0.03, {"gradient_clip_val": 0.02}, 0.02, None),
        (0.01, {"gradient_clip_val": 0.02, "gradient_clip_algorithm": "norm"}, 0.01, None),
        (0.0, {"gradient_clip_val": 1e-3, "gradient_clip_algorithm": "value"}, None, 1e-3),
        (0.01, {"gradient_clip_val": 1e-4, "gradient_clip_algorithm": "value"}, None, 1e-4),
        (0.01, {"gradient_clip_val": 5.0, "gradient_clip_algorithm": "value"}, 0.01, None),
    ],
)
def test_clipping_in_a_trainer_of_ones_own(
    own: float,
    trainers: dict[str, Any],
    norm: float | None,
    entry: float | None,
    start: Classifier,
    toy_data: ImageData,
) -> None:
    copy = adapt.method("paint").prepare(start)
    loader = ImageDataModule(
        toy_data.train, None, CLASSES, copy.backbone.preprocessing, "none", 24, 0
    )
    norms = Norms()
    trainer = plain_trainer(max_epochs=1, callbacks=[norms], **trainers)
    trainer.fit(AdaptModule(copy, replace(QUICK, clip_norm=own)), datamodule=loader)
    ((length, largest),) = norms.seen
    if norm is not None:
        assert length == pytest.approx(norm, rel=1e-3)
    elif entry is not None:
        assert largest == pytest.approx(entry, rel=1e-4)
        assert own == 0 or length < own
    else:
        assert length > 0.1
        assert largest > 1e-2
        assert math.isfinite(length)
