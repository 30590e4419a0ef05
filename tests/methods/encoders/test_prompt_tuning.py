"""A learned context gives what `encode_text` gives for its embeddings, and nothing else moves."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import adapt
from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName
from adapt.data.sources.embedded import from_embedded
from adapt.errors import ModelError
from adapt.methods.encoders.prompt_tuning import PromptTuning
from adapt.models.adapters.prompt_learner import (
    PromptLearner,
    embed_words,
    prompt_tokens,
    random_context,
)
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.tiny import (
    CONFIGS,
    RESNET,
    TIMM,
    VIT,
    bit_equal,
    cross_entropy,
    tiny_classifier,
    weights,
)

# open_clip before 3.1 pools at the largest token only.
KNOWS_EOS = "eos_id" in open_clip.CLIPTextCfg.__dataclass_fields__
NAMES = [["red circle"], ["cat", "a very small kitten", "dog"], ["blue square", "sky"]]
TEXT: dict[str, dict[str, Any]] = {
    "custom": {},
    "no-mask": {"no_causal_mask": True},
    **({"eos": {"pool_type": "eos", "eos_id": 49407}} if KNOWS_EOS else {}),
    "last": {"pool_type": "last", "proj_bias": True},
    "no-projection": {"proj_type": "none", "width": 24},
}
ARCHITECTURES = [VIT, RESNET, TIMM, *(f"test-tiny-{name}" for name in TEXT)]
SHORT = Optim(lr=1e-2, epochs=2, batch_size=12)


@pytest.fixture(scope="module", autouse=True)
def text_encoders(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Text encoders of their own (`CustomTextCLIP`), one for each way to pool and project."""
    folder = tmp_path_factory.mktemp("text-configs")
    for name, own in TEXT.items():
        config = copy.deepcopy(CONFIGS[VIT]) | {"custom_text": True}
        config["text_cfg"] |= own
        (folder / f"test-tiny-{name}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)


@cache
def tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer(context_length=16)


def start_of(arch: str) -> Classifier:
    """A start whose random text encoder tells words apart."""
    if arch in (VIT, RESNET, TIMM):
        return tiny_classifier(arch)
    classifier = Classifier.from_clip(arch, "random", ["a", "b", "c"], ["plain"])
    with torch.no_grad():
        classifier.backbone.model.text.token_embedding.weight.mul_(50)
    return classifier.rebuild_head().eval()


def encode_with_context(start: Classifier, name: str, context: Tensor) -> Tensor:
    """`encode_text` of "x x x name", the embeddings of the x replaced on the way."""
    model: Any = start.backbone.model
    encoder = getattr(model, "text", model)
    tokens = tokenizer()([" ".join(["x"] * 3 + [name])])

    def replace_embeddings(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        output = output.clone()
        output[0, 1:4] = context
        return output

    hook = encoder.token_embedding.register_forward_hook(replace_embeddings)
    feature: Tensor = model.encode_text(tokens)[0]
    hook.remove()
    return feature


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_words_as_context_are_the_zero_shot_head(arch: str) -> None:
    start = start_of(arch)
    start.prompts = [[f"a photo of a {name}" for name in own] for own in NAMES]
    start.rebuild_head()
    head = PromptLearner(start.backbone, NAMES, embed_words(start.backbone, "a photo of a"))
    assert head.context.shape == (4, start.backbone.spec.config["text_cfg"]["width"])
    features = F.normalize(torch.randn(20, 24), dim=1)
    with torch.no_grad():
        torch.testing.assert_close(head(features), start.head(features), atol=1e-5, rtol=0)
    assert start.head(features).std() > 0.1, "logits must differ"
    # The same classifier with the head in place, from pixels.
    prompted = start.clone()
    prompted.head = head  # type: ignore[assignment]
    pixels = torch.randn(2, 3, *2 * (start.backbone.preprocessing.size,))
    with torch.no_grad():
        torch.testing.assert_close(prompted(pixels), start(pixels), atol=1e-5, rtol=0)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("class_specific", [False, True])
def test_any_context_is_what_encode_text_gives(arch: str, class_specific: bool) -> None:
    start = start_of(arch)
    width = start.backbone.spec.config["text_cfg"]["width"]
    torch.manual_seed(3)
    context = torch.randn(3, 3, width) if class_specific else torch.randn(3, width)
    head = PromptLearner(start.backbone, NAMES, context)
    with torch.no_grad():
        for number, (own, found) in enumerate(zip(NAMES, head.weights(), strict=True)):
            vectors = context[number] if class_specific else context
            raw = [encode_with_context(start, name, vectors).double() for name in own]
            mean = sum(feature / feature.norm() for feature in raw)
            expected = mean / mean.norm() / 0.07  # type: ignore[union-attr, operator]
            torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_a_context_belongs_to_its_class() -> None:
    start = tiny_classifier()
    words = embed_words(start.backbone, "my")
    head = PromptLearner(start.backbone, NAMES, words.expand(3, 1, -1))
    for number in range(3):
        grad = torch.autograd.grad(head.weights()[number].sum(), head.context)[0]
        moved = grad.flatten(1).abs().amax(1) > 1e-6
        assert moved.tolist() == [number == other for other in range(3)]


def test_tokens_leave_room_and_end_once() -> None:
    start = tiny_classifier()
    tokens = prompt_tokens(start.backbone, ["dog", "red circle", ""], 2)
    plain = tokenizer()(["dog", "red circle", ""])
    assert tokens.shape == plain.shape == (3, 16)
    for row, own in zip(tokens.tolist(), plain.tolist(), strict=True):
        assert row == [own[0], 0, 0, *own[1:-2]]
    head = PromptLearner(start.backbone, NAMES, random_context(start.backbone, 2, 0))
    assert head.tokens.shape == (6, 1 + 2 + 4 + 1), "padding after the longest is left out"


def test_a_name_must_fit() -> None:
    backbone = tiny_classifier().backbone
    names = [["dog"], [" ".join(["dog"] * 5)]]
    PromptLearner(backbone, names, random_context(backbone, 9, 0))
    with pytest.raises(ModelError) as caught:
        PromptLearner(backbone, names, random_context(backbone, 10, 0))
    assert "'dog dog dog dog dog' has 5 tokens, 10 context vectors leave 4 of 16 - use a" in str(
        caught.value
    )
    with pytest.raises(ModelError, match="leave 0 of 16"):
        PromptLearner(backbone, names, random_context(backbone, 20, 0))
    with pytest.raises(ModelError, match="no words"):
        embed_words(backbone, " ")


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
