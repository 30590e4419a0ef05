"""CaRot's terms on projections against numpy, for every kind of encoder."""

from typing import Any

import numpy as np
import pytest
import torch

from adapt.errors import ModelError
from adapt.models.classifier import Classifier
from adapt.training.penalties.projections import cross_norm, orthogonality
from adapt.training.settings import Optim
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier
from tests.helpers.training import penalties_on, with_gradients

HELD = Optim(orthogonality=0.2, cross_norm=0.05)
IMAGE = {VIT: "proj", RESNET: "attnpool.c_proj.weight", TIMM: "head.proj.weight"}
VISUAL, TEXT = "backbone.model.visual.", "backbone.model.text_projection"


def pixels_for(classifier: Classifier) -> torch.Tensor:
    return torch.zeros(1, 3, *2 * (classifier.backbone.preprocessing.size,))


@pytest.mark.numerical
def test_values() -> None:
    random = np.random.default_rng(0)
    image, text = random.normal(size=(7, 3)), random.normal(size=(5, 3))
    squares = sum((image[:, i] @ image[:, j] - (i == j)) ** 2 for i in range(3) for j in range(3))
    found = orthogonality(torch.from_numpy(image))
    assert float(found) == pytest.approx(np.sqrt(squares))
    products = sum((image[i] @ text[j]) ** 2 for i in range(7) for j in range(5))
    found = cross_norm(torch.from_numpy(image), torch.from_numpy(text))
    assert float(found) == pytest.approx(np.sqrt(products))


def test_an_orthogonal_matrix_has_no_penalty_and_a_finite_gradient() -> None:
    matrix = torch.eye(5, 3).requires_grad_(True)
    value = orthogonality(matrix)
    value.backward()
    assert float(value) == 0
    assert matrix.grad is not None
    assert not matrix.grad.any()


@pytest.mark.numerical
@pytest.mark.parametrize("arch", list(IMAGE))
def test_every_kind_of_encoder(arch: str) -> None:
    classifier = tiny_classifier(arch).requires_grad_(True)
    found = penalties_on(classifier, classifier, HELD, pixels_for(classifier))
    weight = classifier.get_parameter(VISUAL + IMAGE[arch]).detach().double().numpy()
    weight = weight if arch == VIT else weight.T
    assert weight.shape[1] == 24
    apart = np.linalg.norm(weight.T @ weight - np.eye(24))
    assert float(found["orthogonality"]) == pytest.approx(0.2 * apart, rel=1e-5)
    text: Any = getattr(classifier.backbone.model, "text", classifier.backbone.model)
    words = text.text_projection.detach().double().numpy()
    assert float(found["cross_norm"]) == pytest.approx(
        0.05 * np.linalg.norm(weight @ words.T), rel=1e-5
    )
    assert with_gradients(found["orthogonality"], classifier) == {VISUAL + IMAGE[arch]}
    names = with_gradients(found["cross_norm"], classifier)
    assert names == {VISUAL + IMAGE[arch], TEXT}


@pytest.mark.parametrize("name", ["orthogonality", "cross_norm"])
def test_what_cannot_be_held_is_refused(name: str) -> None:
    only = Optim(**{name: 1.0})  # type: ignore[arg-type]
    classifier = tiny_classifier()
    encoder: Any = classifier.backbone.image_encoder
    encoder.proj.requires_grad_(False)
    with pytest.raises(ModelError, match=rf"optim\.{name} - nothing to hold - .* is frozen"):
        penalties_on(classifier, classifier, only, pixels_for(classifier))
    encoder.proj = None
    with pytest.raises(ModelError, match=rf"optim\.{name} - .* not end in a linear projection"):
        penalties_on(classifier, classifier, only, pixels_for(classifier))


def test_texts_need_a_projection_for_the_product() -> None:
    classifier = tiny_classifier()
    classifier.backbone.model.text_projection = None
    with pytest.raises(ModelError, match=r"optim\.cross_norm - the text encoder does not end"):
        penalties_on(classifier, classifier, Optim(cross_norm=1.0), pixels_for(classifier))
