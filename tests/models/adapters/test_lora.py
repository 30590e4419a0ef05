"""LoRA adds s B A to the weights it names, and nothing else."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import ModelError, RunError
from adapt.models.adapters.lora import ADAPTER, LoraAdapter, LoraSettings
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, run_python, tiny_classifier, weights

EVERYTHING = LoraSettings(4, 16.0, False, 0.0, ["q", "k", "v", "o", "mlp"], "both", [])
TEXTS = ["a red circle", "two dogs"]
IN_VIT = "visual.transformer.resblocks"


def filled(start: Classifier, settings: LoraSettings) -> LoraAdapter:
    """Adapters with random matrices on both sides (B starts as zero otherwise)."""
    adapter = LoraAdapter(start, settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.classifier.named_parameters():
            if "lora_" in name:
                parameter.normal_(std=0.1)
    return adapter


def parts(adapter: LoraAdapter, name: str) -> tuple[Tensor, Tensor]:
    layer = adapter.classifier.backbone.model.get_submodule(name)
    return layer.lora_A[ADAPTER].weight.detach(), layer.lora_B[ADAPTER].weight.detach()


def by_hand(start: Classifier, adapter: LoraAdapter, scale: float) -> Classifier:
    """A plain model with W + s B A, its place in the packed matrices worked out by name."""
    plain = start.clone()
    state = plain.backbone.model.state_dict()
    for name in adapter.names:
        a, b = parts(adapter, name)
        delta = scale * torch.einsum("or,ri->oi", b, a)
        parent, part = name.rsplit(".", 1)
        if part in "qkv":
            packed = "weight" if parent.endswith("qkv") else "in_proj_weight"
            rows = len(state[f"{parent}.{packed}"]) // 3
            first = "qkv".index(part) * rows
            state[f"{parent}.{packed}"][first : first + rows] += delta
        elif part == "o":
            state[f"{parent}.out_proj.weight"] += delta
        else:
            state[f"{name}.weight"] += delta
    return plain


def pixels_for(classifier: Classifier, dtype: torch.dtype = torch.float32) -> Tensor:
    side = classifier.backbone.preprocessing.size
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0)).to(dtype)


@torch.no_grad()
def outputs(classifier: Classifier, pixels: Tensor) -> tuple[Tensor, Tensor]:
    classifier.eval()
    return classifier(pixels), classifier.backbone.encode_text(TEXTS)


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, TIMM])
@pytest.mark.parametrize("stabilised", [False, True])
def test_logits_equal_weights_added_by_hand(arch: str, stabilised: bool) -> None:
    start = tiny_classifier(arch).double()
    adapter = filled(start, replace(EVERYTHING, rank_stabilised=stabilised))
    scale = 16 / math.sqrt(4) if stabilised else 16 / 4
    expected = by_hand(start, adapter, scale)
    pixels = pixels_for(start, torch.double)
    original = outputs(start, pixels)
    for classifier in (adapter.classifier, adapter.merged()):
        for found, wanted, before in zip(
            outputs(classifier, pixels), outputs(expected, pixels), original, strict=True
        ):
            torch.testing.assert_close(found, wanted, atol=1e-10, rtol=0)
            assert (found - before).abs().max() > 1e-3


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, TIMM])
def test_merged_equals_unmerged_in_float32(arch: str) -> None:
    start = tiny_classifier(arch)
    adapter = filled(start, EVERYTHING)
    pixels = pixels_for(start)
    for one, other in zip(
        outputs(adapter.classifier, pixels), outputs(adapter.merged(), pixels), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.numerical
def test_adapters_start_as_nothing() -> None:
    start = tiny_classifier()
    adapter = LoraAdapter(start, EVERYTHING)
    pixels = pixels_for(start)
    for one, other in zip(outputs(adapter.classifier, pixels), outputs(start, pixels), strict=True):
        # Logits of 3 in float32, whose sums are added up in another order.
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-6)
    assert bit_equal(weights(adapter.merged()), weights(start))


@pytest.mark.numerical
def test_dropout_acts_while_training_only() -> None:
    start = tiny_classifier()
    adapter = filled(start, replace(EVERYTHING, dropout=0.5, encoder="image"))
    pixels = pixels_for(start)
    model = adapter.classifier
    for name in adapter.names:
        assert model.backbone.model.get_submodule(name).lora_dropout[ADAPTER].p == 0.5
    with torch.no_grad():
        model.train()
        assert (model(pixels) - model(pixels)).abs().max() > 1e-4
        model.eval()
        assert torch.equal(model(pixels), model(pixels))
        torch.testing.assert_close(model(pixels), adapter.merged()(pixels), atol=1e-5, rtol=0)


HITS: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "all": (
        VIT,
        {"targets": ["q", "k", "v", "o"]},
        {f"{IN_VIT}.{block}.attn.{part}" for block in (0, 1) for part in "qkvo"},
    ),
    "first": (VIT, {"targets": ["q"], "layers": [0]}, {f"{IN_VIT}.0.attn.q"}),
    "last": (VIT, {"targets": ["v"], "layers": [-1]}, {f"{IN_VIT}.1.attn.v"}),
    "mlp": (
        VIT,
        {"targets": ["mlp"], "layers": [1]},
        {f"{IN_VIT}.1.mlp.c_fc", f"{IN_VIT}.1.mlp.c_proj"},
    ),
    "text": (
        VIT,
        {"targets": ["k", "o"], "encoder": "text", "layers": [0]},
        {"transformer.resblocks.0.attn.k", "transformer.resblocks.0.attn.o"},
    ),
    "both": (
        VIT,
        {"targets": ["q"], "encoder": "both"},
        {f"{encoder}.resblocks.{i}.attn.q" for encoder in ("visual.transformer", "transformer")
         for i in (0, 1)},
    ),
    "timm": (
        TIMM,
        {"targets": ["q", "o", "mlp"], "layers": [-6, 5]},
        {f"visual.trunk.blocks.{i}.{part}" for i in (0, 5)
         for part in ("attn.qkv.q", "attn.proj", "mlp.fc1", "mlp.fc2")},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(HITS))
def test_exactly_the_named_layers_are_adapted(case: str) -> None:
    arch, changes, expected = HITS[case]
    start = tiny_classifier(arch)
    settings = replace(EVERYTHING, **{"encoder": "image", **changes})
    adapter = filled(start, settings)
    assert set(adapter.names) == expected
    trains = {n for n, p in adapter.classifier.named_parameters() if p.requires_grad}
    assert trains == {
        f"backbone.model.{name}.lora_{side}.{ADAPTER}.weight" for name in expected for side in "AB"
    }
    before, after = start.backbone.model.state_dict(), adapter.merged().backbone.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    packed = {"q": "in_proj_weight", "k": "in_proj_weight", "v": "in_proj_weight"}
    assert changed == {
        name.rsplit(".", 1)[0] + ".weight"
        if ".qkv." in name
        else f"{name[:-1]}{packed.get(name[-1], 'out_proj.weight')}"
        if ".attn." in name and not name.endswith("proj")
        else f"{name}.weight"
        for name in expected
    }


@pytest.mark.parametrize(
    ("arch", "changes", "expected"),
    [
        (RESNET, {"encoder": "image"}, "(ResNet) takes method full"),
        (RESNET, {"encoder": "both"}, "(ResNet) takes method full"),
        (VIT, {"encoder": "images"}, "method.encoder - not known - 'images'"),
        (VIT, {"layers": [2]}, "method.layers - no such block - 2"),
        (VIT, {"layers": [0, -3]}, "method.layers - no such block - -3"),
    ],
)
def test_refused(arch: str, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        LoraAdapter(tiny_classifier(arch), replace(EVERYTHING, **changes))
    assert expected in str(caught.value)


def test_text_encoder_of_a_resnet_can_be_adapted() -> None:
    adapter = LoraAdapter(tiny_classifier(RESNET), replace(EVERYTHING, encoder="text"))
    assert len(adapter.names) == 2 * 6


@pytest.mark.parametrize(
    "settings",
    [{"rank": 0}, {"alpha": 0.0}, {"dropout": 1.0}, {"targets": []}, {"targets": ["z"]},
     {"encoder": "all"}],
)  # fmt: skip
def test_method_refuses_what_is_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=rf"^{next(iter(settings))}(\[0\])? - (out of range|not known|empty)"
    ):
        adapt.method("lora", **settings)


FAST = Optim(lr=5e-3, epochs=1, batch_size=8, warmup=0.0)


@pytest.mark.numerical
def test_training_changes_only_what_is_adapted(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[LoraAdapter, dict[str, Tensor]]] = []
    original: Callable[..., None] = LoraAdapter.__init__

    def remember(self: LoraAdapter, *given: Any) -> None:
        original(self, *given)
        seen.append((self, weights(self.classifier)))

    monkeypatch.setattr(LoraAdapter, "__init__", remember)
    before = weights(start)
    tuned = adapt.method("lora", layers=[1], targets=["q", "o"], optim=FAST).fit(
        start, toy_data, context
    )
    ((adapter, first),) = seen
    last = weights(adapter.classifier)
    assert {name for name in last if not torch.equal(first[name], last[name])} == {
        f"backbone.model.{IN_VIT}.1.attn.{part}.lora_{side}.{ADAPTER}.weight"
        for part in "qo"
        for side in "AB"
    }
    assert bit_equal(before, weights(start))
    after = weights(tuned)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {
        f"backbone.model.{IN_VIT}.1.attn.in_proj_weight",
        f"backbone.model.{IN_VIT}.1.attn.out_proj.weight",
    }
    packed = f"backbone.model.{IN_VIT}.1.attn.in_proj_weight"
    assert torch.equal(before[packed][32:], after[packed][32:]), "rows of k and v"
    assert tuned.head_from_text


@pytest.mark.numerical
def test_text_adapters_give_the_head_of_the_new_text_encoder(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    tuned = adapt.method("lora", encoder="text", optim=FAST).fit(start, toy_data, context)
    assert torch.equal(
        tuned.backbone.model.state_dict()["visual.proj"], start.backbone.model.visual.proj
    )
    assert not torch.equal(tuned.head.weight, start.head.weight)
    assert torch.equal(tuned.clone().rebuild_head().head.weight, tuned.head.weight)


def test_adapters_that_did_not_train_are_an_error(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    optim = replace(FAST, lr=1e-45, weight_decay=0.0)
    with pytest.raises(RunError, match="adapters did not train"):
        adapt.method("lora", optim=optim).fit(start, toy_data, context)


@pytest.mark.numerical
@pytest.mark.slow
def test_plain_open_clip_reads_the_merged_model(tmp_path: Path) -> None:
    """In a process that never imports adapt."""
    merged = filled(tiny_classifier(), EVERYTHING).merged()
    folder = merged.save(tmp_path / "model")
    pixels = pixels_for(merged)
    torch.save(pixels, tmp_path / "pixels.pt")
    code = (
        "import sys, torch, open_clip\n"
        "model = open_clip.create_model('local-dir:' + sys.argv[1], require_pretrained=True)\n"
        "pixels = torch.load(sys.argv[2])\n"
        "with torch.no_grad():\n"
        "    features = model.eval().encode_image(pixels, normalize=True)\n"
        "    tokens = open_clip.get_tokenizer('local-dir:' + sys.argv[1])(['a red circle', 'x'])\n"
        "    texts = model.encode_text(tokens, normalize=True)\n"
        "assert not any(name == 'adapt' for name in sys.modules)\n"
        "torch.save((features, texts), sys.argv[3])\n"
    )
    arguments = (str(folder), str(tmp_path / "pixels.pt"), str(tmp_path / "out.pt"))
    run_python(code, tmp_path, *arguments)
    features, texts = torch.load(tmp_path / "out.pt")
    with torch.no_grad():
        torch.testing.assert_close(features, merged.features(pixels), atol=1e-6, rtol=0)
        own = merged.backbone.encode_text(["a red circle", "x"])
        torch.testing.assert_close(texts, own, atol=1e-6, rtol=0)
