"""Lipsum-FT against loops over images and texts; its random texts; where its gradients go."""

from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch

from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.penalties.lipsum_ft import energy_gap, random_tokens
from adapt.training.settings import Optim
from tests.helpers.tiny import moved, tiny_classifier
from tests.helpers.training import ENCODER, penalties_on, with_gradients

HELD = Optim(lipsum_ft=0.5)
BEGIN, END = 49406, 49407
PIXELS = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_texts_are_eight_random_tokens(start: Classifier) -> None:
    generator = torch.Generator().manual_seed(3)
    tokens, others = (random_tokens(start.backbone, generator) for _ in range(2))
    assert tokens.shape == (80, 16)
    assert set(tokens[:, 0].tolist()) == {BEGIN}
    assert set(tokens[:, 9].tolist()) == {END}
    assert not tokens[:, 10:].any()
    words = torch.cat([tokens[:, 1:9], others[:, 1:9]]).flatten()
    assert int(words.max()) < BEGIN
    # Of so many uniform draws the mean is within five standard errors, and few are equal.
    assert abs(float(words.double().mean()) - BEGIN / 2) < 5 * BEGIN / np.sqrt(12 * len(words))
    assert len(words.unique()) > 0.95 * len(words)
    assert not torch.equal(tokens, others)


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.sqrt((row**2).sum())


def slow_gap(tuned: Classifier, start: Classifier, seed: int) -> float:
    """As the authors write it: sums of squares over texts, over twice their number."""
    tokens = random_tokens(start.backbone, torch.Generator().manual_seed(seed))
    model = start.backbone.model
    with torch.no_grad():
        texts = [unit(model.encode_text(row[None])[0].double().numpy()) for row in tokens]
        images = [
            [unit(row.double().numpy()) for row in c.backbone.model.encode_image(PIXELS)]
            for c in (tuned, start)
        ]
    scale, losses = float(model.logit_scale.detach().exp()), []
    for now, before in zip(*images, strict=True):
        squares = [(scale * now @ text - scale * before @ text) ** 2 for text in texts]
        losses.append(sum(squares) / (2 * len(texts)))
    return float(np.mean(losses))


@pytest.mark.numerical
def test_value(start: Classifier) -> None:
    tuned = moved(start)
    for seed in (0, 1):
        value = penalties_on(tuned, start, HELD, PIXELS, seed)["lipsum_ft"]
        assert float(value) == pytest.approx(0.5 * slow_gap(tuned, start, seed), rel=1e-4)
    first, second = (
        float(penalties_on(tuned, start, HELD, PIXELS, s)["lipsum_ft"]) for s in (0, 1)
    )
    assert first != second


@pytest.mark.numerical
def test_energy_gap() -> None:
    now, before = np.random.default_rng(0).normal(size=(2, 4, 7))
    found = energy_gap(torch.from_numpy(now), torch.from_numpy(before))
    assert float(found) == pytest.approx(((now - before) ** 2).sum(1).mean() / 14)


def test_it_is_zero_at_the_start(start: Classifier) -> None:
    value = float(penalties_on(start, start, HELD, PIXELS)["lipsum_ft"])
    assert value == pytest.approx(0, abs=1e-8)


def test_gradients_go_to_the_image_encoder_alone(start: Classifier) -> None:
    tuned = moved(start).requires_grad_(True)
    names = with_gradients(penalties_on(tuned, start, HELD, PIXELS)["lipsum_ft"], tuned)
    assert names
    assert all(name.startswith(ENCODER) for name in names)


def test_begin_and_end_are_the_tokenizers(start: Classifier) -> None:
    tokens = open_clip.tokenize(["a cat"], 16)[0]
    assert tokens[0] == BEGIN
    assert END in tokens.tolist()


def test_other_tokenizers_are_refused() -> None:
    classifier = tiny_classifier()
    spec = classifier.backbone.spec
    classifier.backbone.spec = replace(spec, tokenizer="{}")
    with pytest.raises(ModelError, match=r"optim\.lipsum_ft - draws tokens of CLIP's own"):
        penalties_on(classifier, classifier, HELD, PIXELS)
    short = {**spec.config, "text_cfg": {**spec.config["text_cfg"], "context_length": 9}}
    classifier.backbone.spec = replace(spec, config=short)
    with pytest.raises(ModelError, match=r"too long for the text encoder - 10 tokens, .* reads 9"):
        penalties_on(classifier, classifier, HELD, PIXELS)
