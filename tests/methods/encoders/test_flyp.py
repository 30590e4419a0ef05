"""The contrastive loss against numpy, and its training against plain PyTorch."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp
from torch import Tensor

import adapt
from adapt.data.image_data import ImageData
from adapt.data.images import Images
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, ModelError
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.objectives import SAME_CLASS, Contrastive, contrastive_loss
from adapt.training.settings import Optim
from tests.helpers.tiny import (
    CLASSES,
    RESNET,
    bit_equal,
    in_float64,
    tiny_classifier,
    weights,
)
from tests.helpers.training import close, normalised

QUICK = Optim(lr=1e-3, epochs=1, batch_size=8, warmup=0.0)
TOP = math.log(100)


def slow_loss(similarity: np.ndarray, group: list[int], same_class: str) -> float:
    """Pair by pair, from what the modes mean."""
    total, count = 0.0, len(group)
    for matrix in (similarity, similarity.T):
        for i in range(count):
            friends = [j for j in range(count) if group[j] == group[i]]
            wanted = friends if same_class == "positive" else [i]
            seen = [
                j for j in range(count)
                if same_class != "mask" or j == i or j not in friends
            ]  # fmt: skip
            every = logsumexp(matrix[i, seen])
            total += sum(every - matrix[i, j] for j in wanted) / len(wanted)
    return total / (2 * count)


@pytest.mark.numerical
@pytest.mark.parametrize(
    ("same_class", "expected"), [("mask", 0.2033), ("positive", 0.6532), ("negative", 0.4866)]
)
def test_a_batch_by_hand(same_class: str, expected: float) -> None:
    """Two cats and a dog. Masked, rows and columns alike give log(1 + e^-2) = 0.1269,
    log(1 + e^-1) = 0.3133 and log(1 + e^-2 + e^-3) = 0.1698; their mean is 0.2033."""
    similarity = torch.tensor([[2.0, 1.0, 0.0], [2.0, 2.0, 1.0], [0.0, 1.0, 3.0]])
    found, (rows, columns) = contrastive_loss(similarity, torch.tensor([5, 5, 7]), same_class)
    assert float(found) == pytest.approx(expected, abs=1e-4)
    assert torch.equal(rows, columns.T)


@pytest.mark.numerical
@pytest.mark.parametrize("same_class", SAME_CLASS)
@given(group=st.lists(st.integers(0, 3), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_equals_the_slow_loss(same_class: str, group: list[int], seed: int) -> None:
    matrix = 5 * np.random.default_rng(seed).normal(size=(len(group), len(group)))
    found, _ = contrastive_loss(torch.from_numpy(matrix), torch.tensor(group), same_class)
    assert float(found) == pytest.approx(slow_loss(matrix, group, same_class), abs=1e-9)


def test_a_batch_of_one_class_teaches_nothing_when_masked() -> None:
    similarity = torch.randn(4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss, _ = contrastive_loss(similarity, torch.zeros(4, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert similarity.grad is not None
    assert not similarity.grad.any()


def loader_of(data: ImageData, start: Classifier, batch_size: int) -> Any:
    loader = ImageDataModule(
        data.train, None, CLASSES, start.backbone.preprocessing, "none", batch_size, 0
    ).train_dataloader()
    loader.sampler.set_epoch(0)  # type: ignore[attr-defined]
    return loader


def by_hand(start: Classifier, data: ImageData, optim: Optim) -> dict[str, Tensor]:
    """Three steps of plain PyTorch; there is one template, so captions are the prompts."""
    tuned = start.clone()
    model: Any = tuned.backbone.model.requires_grad_(True)
    parameters = list(model.parameters())
    adam = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
         {"params": [p for p in parameters if p.ndim >= 2]}],
        weight_decay=optim.weight_decay,
    )  # fmt: skip
    for step, batch in enumerate(normalised(loader_of(data, start, optim.batch_size), start)):
        for group in adam.param_groups:
            group["lr"] = optim.lr * (1 + math.cos(math.pi * step / 3)) / 2
        adam.zero_grad()
        texts = [tuned.prompts[k][0] for k in batch["target"].tolist()]
        words = tuned.backbone.encode_text(texts).float()
        cosines = tuned.features(batch["image"]).float() @ words.T
        logits = model.logit_scale.exp().float() * cosines
        own = torch.arange(len(texts))
        loss = torch.nn.functional.cross_entropy
        ((loss(logits, own) + loss(logits.T, own)) / 2).backward()
        torch.nn.utils.clip_grad_norm_(parameters, optim.clip_norm)
        adam.step()
    return weights(tuned.rebuild_head())


@pytest.mark.numerical
def test_training_equals_plain_pytorch(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    tuned = adapt.method("flyp", same_class="negative", optim=QUICK).fit(start, toy_data, context)
    expected = by_hand(start, toy_data, QUICK)
    # Similarities are float32: their rounding is 1e-7 of a gradient of 0.01 and more.
    close(weights(tuned), expected, 1e-5)
    assert (expected["backbone.model.logit_scale"] - 2.6593).abs() > 1e-4, "it trains"
    assert tuned.head_from_text
    assert float((tuned.head.weight - start.head.weight).detach().abs().max()) > 1e-3


def test_a_class_is_captioned_by_all_its_prompts(start: Classifier, toy_data: ImageData) -> None:
    start.prompts = [[f"{key} {number}" for number in range(3)] for key in CLASSES]
    (batch,) = normalised(loader_of(toy_data, start, 24), start)
    seen: list[list[str]] = []
    start.backbone.encode_text = lambda texts: (  # type: ignore[method-assign]
        seen.append(texts) or torch.eye(24)  # type: ignore[func-returns-value]
    )
    for seed in (0, 0, 1):
        Contrastive()(start, batch, torch.Generator().manual_seed(seed))
    assert seen[0] == seen[1] != seen[2]
    assert {text for texts in seen for text in texts} == {t for own in start.prompts for t in own}
    for texts in seen:
        assert [text.split()[0] for text in texts] == [CLASSES[k] for k in batch["target"].tolist()]


def captioned(toy_root: Path, captions: list[str] | None) -> ImageList:
    rows = [{"path": f"{key}/{number}.png", "label": key} for key in CLASSES for number in range(8)]
    frame = pd.DataFrame(rows)
    if captions is not None:
        frame["caption"] = captions
    return Images.from_frame(frame, toy_root / "train")


def test_captions_of_the_column(
    start: Classifier, toy_root: Path, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each image meets its own caption, also after a split has chosen images in another order."""
    texts = [f"{key} number {number}" for key in CLASSES for number in range(8)]
    images = captioned(toy_root, texts).subset(range(23, -1, -3))
    seen: list[str] = []
    original = Backbone.encode_text
    monkeypatch.setattr(
        Backbone, "encode_text", lambda self, given: seen.extend(given) or original(self, given)
    )
    method = adapt.method("flyp", captions="column", optim=replace(QUICK, batch_size=4))
    tuned = method.fit(start, ImageData(images), context)
    used = [text for text in seen if "number" in text]
    assert sorted(used) == sorted(texts[index] for index in range(23, -1, -3))
    with torch.no_grad():
        order = next(iter(loader_of(ImageData(images), start, 8)))["index"].tolist()
    assert used == [f"{images.labels[i]} number {Path(images.paths[i]).stem}" for i in order], (
        "in the order of the images"
    )
    prompts = adapt.method("flyp", optim=method.optim).fit(start, ImageData(images), context)
    assert not bit_equal(weights(tuned), weights(prompts))


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (None, "no captions - further columns: none - give the training data as a table"),
        (["a drawing"] * 23 + [" "], r"7\.png - empty caption - '' - fill in the column"),
    ],
)
def test_missing_captions(
    captions: list[str] | None, message: str, start: Classifier, toy_root: Path, context: Context
) -> None:
    data = ImageData(captioned(toy_root, captions))
    with pytest.raises(DataError, match=message):
        adapt.method("flyp", captions="column", optim=QUICK).fit(start, data, context)


@pytest.mark.parametrize("ema", [0.0, 0.5])
@pytest.mark.parametrize(("scale", "expected"), [(4.7, TOP), (-0.3, 0.0)])
def test_the_logit_scale_is_clamped(
    scale: float,
    expected: float,
    ema: float,
    start: Classifier,
    toy_data: ImageData,
    context: Context,
) -> None:
    with torch.no_grad():
        start.backbone.model.logit_scale.fill_(scale)
    optim = replace(QUICK, lr=1e-9, batch_size=24, ema=ema)
    tuned = adapt.method("flyp", optim=optim).fit(start.rebuild_head(), toy_data, context)
    assert tuned.backbone.model.logit_scale.item() == pytest.approx(expected, abs=1e-6)
    norms = tuned.head.weight.norm(dim=1)
    torch.testing.assert_close(norms, torch.full((3,), math.exp(expected)), rtol=1e-5, atol=0)


@pytest.mark.parametrize("same_class", SAME_CLASS)
def test_a_batch_larger_than_the_data(
    same_class: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    whole, larger = (
        adapt.method("flyp", same_class=same_class, optim=replace(QUICK, batch_size=size))
        for size in (24, 512)
    )
    found = weights(larger.fit(start, toy_data, context))
    assert bit_equal(weights(whole.fit(start, toy_data, context)), found)
    assert all(torch.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"captions": "table"}, "captions - not known - 'table' - choose one of prompts, column"),
        ({"same_class": "drop"}, "same_class - not known - 'drop'"),
        ({"optim": Optim(batch_size=1)}, "optim.batch_size - too small"),
        ({"optim": Optim(label_smoothing=0.1)}, "optim.label_smoothing - has no effect"),
    ],
)
def test_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapt.method("flyp", **settings)


@pytest.mark.numerical
@pytest.mark.parametrize("held", [0.0, 300.0])
def test_micro_batches_give_the_gradients_of_the_whole_batch(
    held: float, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    start = in_float64(start)
    optim = replace(QUICK, batch_size=12, epochs=2, feature_distillation=held)
    whole, parts = (
        weights(adapt.method("flyp", optim=own).fit(start, toy_data, context))
        for own in (optim, replace(optim, accumulate=4))
    )
    close(whole, parts, 1e-6, keys=False)
    alone = replace(optim, batch_size=3)
    other = weights(adapt.method("flyp", optim=alone).fit(start, toy_data, context))
    assert not torch.allclose(whole["head.weight"], other["head.weight"], atol=1e-4)


def test_parts_of_a_contrastive_loss_equal_the_whole(start: Classifier) -> None:
    """Every gradient of the authors' loss, written out, from seven pairs in parts of three."""
    start = in_float64(start).requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(7, 3, 32, 32, generator=generator, dtype=torch.float64)
    texts = [f"a drawing of {word}" for word in ["one", "two", "three", "four", "five", "six", ""]]
    batch = {"image": pixels, "target": torch.arange(7), "index": torch.arange(7)}
    loss, _ = Contrastive(texts, "negative", parts=3)(start, batch, generator)
    loss.backward()
    found = {n: p.grad.clone() for n, p in start.named_parameters() if p.grad is not None}
    start.zero_grad()
    images, words = start.backbone.encode_image(pixels), start.backbone.encode_text(texts)
    similarity = start.backbone.scale * images @ words.T
    right = torch.arange(7)
    rows, columns = (F.cross_entropy(m, right) for m in (similarity, similarity.T))
    ((rows + columns) / 2).backward()
    for name, parameter in start.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-7)


def test_parts_are_refused_where_batch_norms_would_see_them(
    toy_data: ImageData, context: Context
) -> None:
    method = adapt.method("flyp", optim=replace(QUICK, accumulate=2))
    with pytest.raises(ModelError, match=r"optim\.accumulate - not exact with batch norms - 2"):
        method.fit(tiny_classifier(RESNET), toy_data, context)
