"""CLIP-LoRA: what it adapts, for how long, and which classes a step looks at."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.methods.encoders.clip_lora import ClipLora
from adapt.methods.encoders.lora import build_adapter
from adapt.models.adapters.lora import ADAPTER
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim, with_epochs
from tests.helpers.tiny import VIT, bit_equal, tiny_classifier, weights

SHORT = Optim(lr=5e-3, epochs=1, batch_size=12, weight_decay=0.01, warmup=0.0, clip_norm=0.0)
IN_IMAGE, IN_TEXT = "visual.transformer.resblocks", "transformer.resblocks"
ADAPTED = {
    f"{encoder}.{block}.attn.{part}"
    for encoder in (IN_IMAGE, IN_TEXT)
    for block in (0, 1)
    for part in "qkv"
}


def test_settings_of_the_paper() -> None:
    method = ClipLora()
    adapter = build_adapter(tiny_classifier(VIT), method._settings(), 0)
    assert set(adapter.names) == ADAPTED, "q, k and v of all layers of both encoders"
    model: Any = adapter.classifier.backbone.model
    for name in adapter.names:
        layer = model.get_submodule(name)
        assert layer.scaling[ADAPTER] == pytest.approx(1 / math.sqrt(2))
        assert layer.lora_dropout[ADAPTER].p == 0.25
        assert layer.lora_A[ADAPTER].weight.shape[0] == 2
        assert not layer.lora_B[ADAPTER].weight.any()
        bound = 1 / math.sqrt(layer.in_features)  # Kaiming, a = sqrt 5
        largest = layer.lora_A[ADAPTER].weight.abs().max()
        assert 0.5 * bound < largest <= bound
    optim = method.optim
    assert (optim.lr, optim.weight_decay, optim.batch_size) == (2e-4, 0.01, 32)
    assert (optim.warmup, optim.schedule, optim.clip_norm) == (0.0, "cosine", 0.0)


@pytest.mark.parametrize(
    ("encoder", "expected"),
    [
        ("both", ADAPTED),
        ("image", {name for name in ADAPTED if name.startswith("visual")}),
        ("text", {name for name in ADAPTED if not name.startswith("visual")}),
    ],
)
def test_adapters_alone_train(encoder: str, expected: set[str]) -> None:
    prepared = ClipLora(encoder=encoder).prepare(tiny_classifier())
    trains = {name for name, p in prepared.named_parameters() if p.requires_grad}
    assert trains == {
        f"backbone.model.{name}.lora_{side}.{ADAPTER}.weight" for name in expected for side in "AB"
    }


@pytest.mark.parametrize(("batch", "per_shot"), [(32, 500), (32, 7), (10, 100), (5, 3)])
def test_steps_come_near_to_those_asked_for(toy_data: ImageData, batch: int, per_shot: int) -> None:
    """3 classes with 8 images each: the epoch nearest to 8 times `per_shot` steps."""
    optim = with_epochs(replace(SHORT, batch_size=batch), 24, 3, per_shot)
    epoch = math.ceil(24 / min(batch, 24))
    assert abs(optim.epochs * epoch - 8 * per_shot) <= epoch / 2
    assert replace(optim, epochs=1) == replace(SHORT, batch_size=batch)
    assert with_epochs(SHORT, 24, 3, 0) is SHORT


def test_more_shots_than_the_paper_has_add_no_steps(toy_data: ImageData) -> None:
    optim = with_epochs(replace(SHORT, batch_size=32), 3 * 50, 3, 500)
    assert optim.epochs == round(16 * 500 / 5)


def test_that_many_steps_are_made(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    original = AdaptModule.training_step

    def count(self: AdaptModule, *given: Any) -> Tensor | None:
        made.append(self.global_step)
        return original(self, *given)

    monkeypatch.setattr(AdaptModule, "training_step", count)
    ClipLora(steps_per_shot=1, optim=replace(SHORT, batch_size=6)).fit(start, toy_data, context)
    assert made == list(range(8))


@pytest.mark.numerical
def test_only_adapted_matrices_change(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    before = weights(start)
    tuned = ClipLora(steps_per_shot=0, optim=SHORT).fit(start, toy_data, context)
    after = weights(tuned)
    assert bit_equal(before, weights(start))
    packed = {f"backbone.model.{name.rsplit('.', 1)[0]}.in_proj_weight" for name in ADAPTED}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {*packed, "head.weight"}
    assert tuned.head_from_text
    assert torch.equal(tuned.clone().rebuild_head().head.weight, tuned.head.weight)


def encoded(monkeypatch: pytest.MonkeyPatch, start: Classifier) -> list[int]:
    """How many prompts the text encoder is given each time."""
    counts: list[int] = []
    kind = type(start.backbone)
    original = kind.encode_text

    def remember(self: Any, texts: list[str]) -> Tensor:
        counts.append(len(texts))
        return original(self, texts)

    monkeypatch.setattr(kind, "encode_text", remember)
    return counts


def test_texts_are_encoded_only_where_their_encoder_trains(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = encoded(monkeypatch, start)
    own = ImageData(toy_data.train, None)
    ClipLora(steps_per_shot=0, optim=SHORT, encoder="image").fit(start, own, context)
    assert counts == []
    ClipLora(steps_per_shot=0, optim=SHORT, encoder="text").fit(start, own, context)
    assert counts[:2] == [3, 3], "one prompt of each class in each of two steps"


def test_classes_of_a_step(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*toy_data.class_names, *(f"other_{number}" for number in range(20))]
    wide = tiny_classifier(names=names)
    counts = encoded(monkeypatch, wide)
    method = ClipLora(steps_per_shot=0, classes_per_step=5, optim=SHORT)
    tuned = method.fit(wide, ImageData(toy_data.train, None), context)
    assert counts[:2] == [5, 5]
    assert tuned.head.weight.shape[0] == 23


@pytest.mark.numerical
def test_plain_open_clip_reads_the_merged_model(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    tuned = ClipLora(steps_per_shot=0, optim=SHORT).fit(start, toy_data, context)
    name = f"local-dir:{tuned.save(tmp_path / 'model')}"
    model = open_clip.create_model(name, require_pretrained=True).eval()
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        tokens = open_clip.get_tokenizer(name)(["a red circle", "x"])
        features = model.encode_image(pixels, normalize=True)
        texts = model.encode_text(tokens, normalize=True)
        torch.testing.assert_close(features, tuned.features(pixels), atol=1e-6, rtol=0)
        own = tuned.backbone.encode_text(["a red circle", "x"])
        torch.testing.assert_close(texts, own, atol=1e-6, rtol=0)
        assert (features - start.features(pixels)).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("name", "value"),
    [("rank", 0), ("alpha", 0.0), ("dropout", 1.0), ("encoder", "all"), ("steps_per_shot", -1),
     ("classes_per_step", -1)],
)  # fmt: skip
def test_ranges(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} - (out of range|not known) - {value!r} - "):
        ClipLora(**{name: value})
