"""A learned context gives what `encode_text` gives for its embeddings, and nothing else moves."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import adapt
from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName
from adapt.data.sources.embedded import from_embedded
from adapt.errors import ModelError
from adapt.methods.encoders.prompt_tuning import PromptTuning
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.tiny import (
    bit_equal,
    cross_entropy,
    weights,
)

SHORT = Optim(lr=1e-2, epochs=2, batch_size=12)


class Wrapped(nn.Module):
    """Stands for a text encoder of another library."""

    transformer: nn.Module = nn.Identity()


def test_other_text_encoders_are_refused(start: Classifier) -> None:
    def foreign(model: Any) -> None:
        model.text = Wrapped()

    def class_token(model: Any) -> None:
        model.cls_emb = nn.Parameter(torch.zeros(16))

    def pooling(model: Any) -> None:
        model.text_pool_type = "none"

    cases: list[tuple[Callable[[Any], None], str]] = [
        (foreign, "Wrapped (no token_embedding, positional_embedding, ln_final, text_projection)"),
        (class_token, "CLIP (cls_emb)"),
        (pooling, "CLIP (none)"),
    ]
    for change, said in cases:
        other = start.clone()
        change(other.backbone.model)
        with pytest.raises(ModelError) as caught:
            PromptTuning().prepare(other)
        assert said in str(caught.value)
        assert "method linear_probe" in str(caught.value)


def test_another_tokenizer_is_refused(start: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.models.adapters.prompt_learner.tokenizer_of", lambda spec: object())
    with pytest.raises(ModelError, match="not open_clip's own tokenizer - test-tiny-vit: object"):
        PromptTuning().prepare(start)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (4, 16)),
        ({"class_specific": True}, (3, 4, 16)),
        ({"context": "an icon", "class_specific": False}, (2, 16)),
        ({"context": "", "context_length": 7}, (7, 16)),
        ({"context": " ", "context_length": 5, "class_specific": True}, (3, 5, 16)),
    ],
)
def test_only_the_context_trains(
    settings: dict[str, Any], shape: tuple[int, ...], start: Classifier
) -> None:
    before = weights(start)
    prepared = PromptTuning(**settings).prepare(start)
    trains = {name: p.shape for name, p in prepared.named_parameters() if p.requires_grad}
    assert trains == {"head.context": shape}
    assert bit_equal(weights(start), before)
    assert all(p.requires_grad for p in start.parameters())
    encoders = {n: v for n, v in prepared.state_dict().items() if n.startswith("backbone.")}
    assert bit_equal(encoders, {n: v for n, v in before.items() if n.startswith("backbone.")})
    assert set(prepared.state_dict()) == {*encoders, "head.context"}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"context_length": -1}, "context_length"),
        ({"context_length": 4}, "context_length"),
        ({"context": ""}, "context_length"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field} - "):
        adapt.method("prompt_tuning", **settings)


@pytest.mark.numerical
def test_own_prompts_are_kept(toy_data: ImageData, context: Context, start: Classifier) -> None:
    """With a rate too small to move anything, the head is the start's, own prompts included."""
    own = {
        "red_circle": ClassName("red_circle", "red circle", ("an icon of a red ball", "a {}")),
        "blue_square": ClassName("blue_square", "blue box"),
    }
    data = ImageData(replace(toy_data.train, classes={**toy_data.train.classes, **own}))
    still = Optim(lr=1e-12, epochs=1, batch_size=24, weight_decay=0.0)
    tuned = PromptTuning(context="an icon of a", optim=still).fit(start, data, context)
    start.prompts = [
        ["an icon of a blue box"],
        ["an icon of a green cross"],
        ["an icon of a red ball", "an icon of a a red circle"],
    ]
    torch.testing.assert_close(
        tuned.head.weight, start.rebuild_head().head.weight, atol=1e-5, rtol=0
    )


@pytest.mark.numerical
@pytest.mark.parametrize(
    "settings", [{}, {"class_specific": True}, {"context": "", "context_length": 5}]
)
def test_the_result_is_plain(
    settings: dict[str, Any],
    start: Classifier,
    toy_data: ImageData,
    context: Context,
) -> None:
    before = weights(start)
    method = PromptTuning(optim=SHORT, **settings)
    tuned = method.fit(start, toy_data, context)
    after = weights(tuned)
    assert bit_equal(weights(start), before)
    assert type(tuned.head) is nn.Linear
    assert not tuned.head_from_text
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"head.weight"}
    lengths = tuned.head.weight.norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((3,), 1 / 0.07), atol=1e-3, rtol=0)
    no_val = method.fit(start, ImageData(toy_data.train, None), context)
    assert bit_equal(weights(no_val), after), "val does not train, and a fit repeats to the bit"
    other = method.fit(start, toy_data, replace(context, seed=1))
    assert not torch.equal(other.head.weight, tuned.head.weight)


def test_training_lowers_the_loss_of_the_prompts_on_embedded_data(context: Context) -> None:
    emoji = from_embedded("pictograms", "emoji", "train")
    keys = ["animal", "clock", "boat"]
    chosen = [i for key in keys for i in np.flatnonzero(np.array(emoji.labels) == key)[:5]]
    data = ImageData(emoji.subset(chosen))
    names = [emoji.classes[key] for key in keys]
    start = Classifier.from_clip("adapt-icons-xs", "embedded", names, ["plain"])
    optim = Optim(lr=1e-2, epochs=6, batch_size=15)
    tuned = PromptTuning(context="an icon of a", optim=optim).fit(start, data, context)
    assert cross_entropy(tuned, data.train) < 0.9 * cross_entropy(start, data.train)
