"""The zero-shot head against a slow computation from its definition."""

import math
from collections.abc import Callable

import numpy as np
import open_clip
import pytest
import torch

from adapt.errors import DataError
from adapt.models.backbones import Backbone
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head, text_weights
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier

pytestmark = pytest.mark.numerical

PROMPTS = [["a red circle"], ["a dog", "my dog", "the dog"], ["blue", "a sky"]]


@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_text_weights_are_the_scaled_mean_of_unit_features(arch: str) -> None:
    backbone = tiny_classifier(arch).backbone
    tokens = open_clip.get_tokenizer(arch)
    with torch.no_grad():
        found = text_weights(backbone, PROMPTS).double().numpy()
        rows = []
        for own in PROMPTS:
            unit = []
            for prompt in own:
                raw = backbone.model.encode_text(tokens([prompt]))[0].double().numpy()
                unit.append(raw / math.sqrt(float(raw @ raw)))
            mean = np.sum(unit, axis=0) / len(unit)
            rows.append(mean / math.sqrt(float(mean @ mean)))
        scale = math.exp(float(backbone.model.logit_scale))
    assert scale == pytest.approx(1 / 0.07, rel=1e-5)
    np.testing.assert_allclose(found, np.stack(rows) * scale, atol=2e-5)
    assert np.abs(rows[0] - rows[1]).max() > 0.01, "the text encoder must tell words apart"


def test_classifier_uses_templates_and_words() -> None:
    names = ["alarm_clock", "sea_star"]
    classifier = Classifier.from_clip(VIT, "random", names, ["a {}", "the {}"])
    assert classifier.class_names == names
    assert classifier.prompts == [
        ["a alarm clock", "the alarm clock"],
        ["a sea star", "the sea star"],
    ]
    with torch.no_grad():
        expected = text_weights(classifier.backbone, classifier.prompts)
    assert torch.equal(classifier.head.weight, expected)
    assert not classifier.head.bias.any()
    assert classifier.head_from_text
    assert not classifier.training


def test_logits_are_scaled_cosines() -> None:
    classifier = tiny_classifier()
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        image = classifier.backbone.model.encode_image(pixels).double()
        words = classifier.backbone.model.encode_text(
            open_clip.get_tokenizer(VIT)([own[0] for own in classifier.prompts])
        ).double()
        cosine = torch.stack([torch.cosine_similarity(image, word[None]) for word in words], 1)
        torch.testing.assert_close(classifier(pixels).double(), cosine / 0.07, atol=1e-4, rtol=0)


def test_rebuild_head_follows_the_text_encoder() -> None:
    classifier = tiny_classifier()
    before = classifier.head.weight.clone()
    with torch.no_grad():
        classifier.head.bias.fill_(3)
        classifier.head.weight.zero_()
        classifier.backbone.model.text_projection.mul_(-1)
    assert classifier.rebuild_head() is classifier
    torch.testing.assert_close(classifier.head.weight, -before)
    assert not classifier.head.bias.any()


def test_linear_head_and_temperature() -> None:
    weight, bias = torch.randn(3, 4), torch.randn(3)
    x = torch.randn(5, 4)
    torch.testing.assert_close(linear_head(weight, bias)(x), x @ weight.T + bias)
    assert not linear_head(weight).bias.any()
    classifier = tiny_classifier()
    hot = classifier.with_temperature(4.0)
    logits = np.array([[1.0, 2.0, 4.0]])
    expected = np.exp(logits / 4) / np.exp(logits / 4).sum()
    np.testing.assert_allclose(hot.probabilities(torch.from_numpy(logits)), expected, rtol=1e-6)
    assert (classifier.temperature, hot.temperature) == (1.0, 4.0)
    assert hot.head.weight is classifier.head.weight


def test_sizes_must_agree() -> None:
    own = tiny_classifier()
    with pytest.raises(DataError, match="2 class names, 3 prompt lists, 3 outputs"):
        Classifier(own.backbone, own.head, ["a", "b"], own.prompts)


def test_a_head_is_made_once_for_the_same_weights_and_prompts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    def head(words: str = "a dog", templates: str = "a {}", seed: int = 0) -> torch.Tensor:
        names, given = ["a cat", words], [templates]
        made = Classifier.from_clip("adapt-icons-xs", "random", names, given, seed, keep=keep)
        return made.head.weight.detach()

    first = head()
    assert torch.equal(first, Classifier.from_clip(
        "adapt-icons-xs", "random", ["a cat", "a dog"], ["a {}"]
    ).head.weight)  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(Backbone, "encode_text", lambda *_: pytest.fail("encoded"))
        assert torch.equal(head(), first)
    assert len(kept) == 1
    head("a bird")
    head(templates="the {}")
    head(seed=1)
    assert len(kept) == 4
