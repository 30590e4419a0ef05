"""CAR-FT against numpy, from the texts on; where its gradients go."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import rel_entr, softmax

from adapt.errors import ModelError
from adapt.models.backbones import named_templates
from adapt.models.classifier import Classifier
from adapt.training.penalties.car_ft import context_features
from adapt.training.settings import Optim
from tests.helpers.tiny import CLASSES, moved, tiny_classifier
from tests.helpers.training import ENCODER, penalties_on, with_gradients

HELD = Optim(car_ft=2.0)
PIXELS = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.sqrt((rows**2).sum(-1, keepdims=True))


def slow_contexts(classifier: Classifier) -> np.ndarray:
    """Text by text: the mean of unit features over the classes, of length 1 again."""
    encode, rows = classifier.backbone.encode_text, []
    for template in named_templates()["openai"]:
        texts = [template.format(name.replace("_", " ")) for name in CLASSES]
        with torch.no_grad():
            rows.append(np.mean([encode([text])[0].double().numpy() for text in texts], axis=0))
    return unit(np.array(rows))


def encoded(classifier: Classifier) -> np.ndarray:
    with torch.no_grad():
        return unit(classifier.backbone.model.encode_image(PIXELS).double().numpy())


@pytest.mark.numerical
def test_value(start: Classifier) -> None:
    tuned, contexts = moved(start), slow_contexts(start)
    assert contexts.shape == (80, 24)
    scale = float(start.backbone.model.logit_scale.detach().exp())
    now, before = (softmax(scale * encoded(c) @ contexts.T, axis=1) for c in (tuned, start))
    expected = 2.0 * rel_entr(before, now).sum(1).mean()
    assert expected > 0.01
    value = penalties_on(tuned, start, HELD, PIXELS)["car_ft"]
    assert float(value) == pytest.approx(expected, rel=1e-4)


@pytest.mark.numerical
def test_contexts_are_means_over_classes(start: Classifier) -> None:
    texts = ["a cat.", "a dog."]
    one, other = start.backbone.encode_text(texts)
    found = context_features(start.backbone, ["{}", "a {}."], ["cat", "dog"])
    torch.testing.assert_close(found[1], F.normalize((one + other) / 2, dim=0))
    assert not found.requires_grad


def test_it_is_zero_at_the_start(start: Classifier) -> None:
    assert float(penalties_on(start, start, HELD, PIXELS)["car_ft"]) == pytest.approx(0, abs=1e-6)


def test_gradients_go_to_the_image_encoder_alone(start: Classifier) -> None:
    tuned = moved(start).requires_grad_(True)
    names = with_gradients(penalties_on(tuned, start, HELD, PIXELS)["car_ft"], tuned)
    assert names
    assert all(name.startswith(ENCODER) for name in names)


def test_features_before_the_projection_are_refused() -> None:
    classifier = tiny_classifier()
    classifier.backbone = classifier.backbone.with_features("penultimate")
    with pytest.raises(ModelError, match=r"optim\.car_ft - compares images with texts - features"):
        penalties_on(classifier, classifier, HELD, PIXELS)
