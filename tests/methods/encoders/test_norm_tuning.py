"""Which norms and biases train, in every kind of encoder."""

import re
from dataclasses import replace

import pytest
import torch

import adapt
from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier
from tests.helpers.training import HEAD, MODEL, QUICK, changed

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
    with pytest.raises(ValueError, match="encoder - not known, did you mean 'image'"):
        adapt.method(name, encoder="images")
    for encoder in ("text", "both"):
        with pytest.raises(ValueError, match=f"train_head - does not go with encoder {encoder}"):
            adapt.method(name, encoder=encoder, train_head=True)
