"""Fisher information against plain loops over images and labels."""

import copy

import numpy as np
import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.training.features.fisher import fisher_information, label_weights
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import RESNET, VIT, moved, tiny_classifier, weights

RUNTIME = Runtime(accelerator="cpu", workers="0", batch_size=5)


def plain(classifier: Classifier, images: torch.Tensor, from_text: bool) -> dict[str, np.ndarray]:
    """Every image, every label, one backward pass each, in float64; None is zero."""
    model = copy.deepcopy(classifier).double()
    named = dict(model.named_parameters())
    totals = {name: np.zeros(tuple(weight.shape)) for name, weight in named.items()}
    for image in images.double():
        for label in range(len(model.class_names)):
            model.zero_grad(set_to_none=True)
            features = model.features(image[None])
            if from_text:
                logits = features @ text_weights(model.backbone, model.prompts).T
            else:
                logits = model.head(features)
            chances = torch.softmax(logits[0], 0)
            chances[label].log().backward()
            for name, weight in named.items():
                if weight.grad is not None:
                    totals[name] += float(chances[label].detach()) * weight.grad.numpy() ** 2
    return {name: total / len(images) for name, total in totals.items()}


@pytest.mark.parametrize("arch", [VIT, RESNET])
@pytest.mark.parametrize("from_text", [False, True])
def test_it_is_the_mean_over_images_and_labels(
    arch: str, from_text: bool, toy_data: ImageData
) -> None:
    classifier = moved(tiny_classifier(arch), 1, learned=not from_text)
    with torch.no_grad():
        classifier.backbone.model.logit_scale.fill_(1.0)  # of several labels none is certain
    if from_text:
        classifier.rebuild_head()
    pixels = prepare(toy_data.train.subset(range(0, 24, 6)), classifier.backbone.preprocessing)
    images = next(pixels.batches(4, torch.device("cpu")))
    expected = plain(classifier, images, from_text)
    before = weights(classifier)
    head = {name for name in before if name.startswith("head.")}
    names = before.keys() - head if from_text else before.keys()
    given = fisher_information(classifier, pixels, names, RUNTIME)
    most = max(part.max() for part in expected.values())
    for name, information in given.items():
        atol = 1e-5 * expected[name].max() + 1e-12 * most  # a bias of keys has no effect
        np.testing.assert_allclose(information, expected[name], rtol=1e-3, atol=atol)
    # What is left out is what the probabilities do not depend on.
    unused = {name for name in expected if name in names} - given.keys()
    assert all(not expected[name].any() for name in unused)
    text = {name for name in unused if not name.startswith("backbone.model.visual.")}
    assert bool(text) != from_text
    assert "backbone.model.visual.proj" in given or arch == RESNET
    assert all(torch.equal(value, before[name]) for name, value in weights(classifier).items())


def test_only_what_is_asked_for_is_measured(start: Classifier, toy_data: ImageData) -> None:
    learned = moved(start)
    pixels = prepare(toy_data.train.subset([0, 9, 20]), start.backbone.preprocessing)
    learned.head.bias.requires_grad_(False)
    required = {name: weight.requires_grad for name, weight in learned.named_parameters()}
    every = fisher_information(learned, pixels, required, RUNTIME)
    some = fisher_information(learned, pixels, ["head.bias"], RUNTIME)
    assert list(some) == ["head.bias"]
    torch.testing.assert_close(some["head.bias"], every["head.bias"])
    assert fisher_information(learned, pixels, [], RUNTIME) == {}
    assert required == {name: weight.requires_grad for name, weight in learned.named_parameters()}


def test_the_order_of_images_and_the_batch_size_do_not_matter(
    start: Classifier, toy_data: ImageData
) -> None:
    """Also with labels that are drawn: the draw of an image depends on its content."""
    many = tiny_classifier(names=[f"thing {number}" for number in range(9)])
    pixels = prepare(toy_data.train.subset(range(0, 24, 3)), many.backbone.preprocessing)
    turned = pixels.subset(range(len(pixels))[::-1])
    names = [name for name in weights(many) if "visual" in name]
    first = fisher_information(many, pixels, names, RUNTIME)
    second = fisher_information(many, turned, names, Runtime("cpu", workers="0", batch_size=24))
    for name, information in first.items():
        scale = float(information.max())
        torch.testing.assert_close(second[name], information, rtol=1e-3, atol=1e-5 * scale)


@pytest.mark.parametrize("most", [1, 4])
def test_drawn_labels_are_unbiased_and_few(most: int) -> None:
    chances = np.random.default_rng(0).dirichlet(np.full(12, 0.3))
    points = (np.arange(4000) + 0.5) / 4000
    drawn = np.array([label_weights(chances, most, point) for point in points])
    assert ((drawn > 0).sum(1) <= most).all()
    np.testing.assert_allclose(drawn.mean(0), chances, atol=5e-3)
    # The expected squared gradient of the logits is exact whatever is drawn.
    lengths = ((np.eye(12) - chances) ** 2).sum(1)
    np.testing.assert_allclose(drawn @ lengths, chances @ lengths, rtol=1e-9)


def test_few_labels_and_certain_images_are_exact() -> None:
    few, certain = np.array([0.2, 0.3, 0.5]), np.eye(6)[2]
    assert label_weights(few, 3, 0.9).tolist() == few.tolist()
    assert label_weights(certain, 4, 0.9).tolist() == certain.tolist()
