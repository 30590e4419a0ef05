"""Learned context vectors give what `encode_text` gives for the same embeddings."""

import copy
import json
from functools import cache
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.errors import ModelError
from adapt.models.adapters.prompt_learner import (
    PromptLearner,
    embed_words,
    prompt_tokens,
    random_context,
)
from adapt.models.classifier import Classifier
from tests.helpers.tiny import (
    CONFIGS,
    RESNET,
    TIMM,
    VIT,
    tiny_classifier,
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


@pytest.mark.numerical
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


@pytest.mark.numerical
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
