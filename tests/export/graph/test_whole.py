"""The graph beside `predict`, for every kind of encoder and head."""

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.export.answers import answers_of
from adapt.export.graph.whole import WholeGraph, runtime_of
from adapt.export.parity import differences
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import cached, full, noise
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier


def penultimate(arch: str) -> Classifier:
    start = learned(arch)
    backbone = start.backbone.with_features("penultimate")
    random = torch.Generator().manual_seed(0)
    head = torch.nn.Linear(backbone.width, 3)
    with torch.no_grad():
        head.weight.copy_(torch.randn(head.weight.shape, generator=random) * 5)
        head.bias.zero_()
    return Classifier(backbone, head, start.class_names, start.prompts, False, 1.2).eval()


MODELS = {
    "vit": lambda: learned(VIT),
    "resnet": lambda: learned(RESNET),
    "timm": lambda: learned(TIMM),
    "zero-shot": lambda: tiny_classifier(VIT),
    "cache": lambda: cached(learned(VIT), 0),
    "neighbours": lambda: cached(learned(VIT), 2),
    "penultimate": lambda: penultimate(VIT),
    "penultimate resnet": lambda: penultimate(RESNET),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("detector", ["msp", "energy"])
def test_it_says_what_the_model_says(name: str, detector: str) -> None:
    model = full(MODELS[name](), "aps", detector)
    runtime = runtime_of(WholeGraph.of(model))
    counts = np.zeros(3)
    for image in noise(8):
        given, wanted = runtime(image[None]), answers_of(model, [image])
        case = differences(given, wanted)
        assert max(case["largest_difference"].values()) < 1e-5
        assert case["top1"] == 1
        assert not any(case["verdicts_that_differ"].values())
        counts += [given.abstained.sum(), given.unknown.sum(), given.conformal_set.any()]
    assert 0 < counts[0] < 8 or 0 < counts[1] < 8
    assert counts[2]


def test_answers_are_those_of_predict(model: Classifier) -> None:
    images = noise(8)
    answers = answers_of(model, images)
    for row, said in enumerate(model.predict([Image.fromarray(image) for image in images])):
        by_name = dict(said.top)
        expected = [by_name[name] for name in model.class_names]
        np.testing.assert_allclose(answers.probabilities[row], expected, atol=1e-6)
        assert bool(answers.abstained[row]) == said.abstained
        assert bool(answers.unknown[row]) == said.unknown
        named = {model.class_names[k] for k in np.flatnonzero(answers.conformal_set[row])}
        assert named == set(said.labels)


def test_the_model_is_left_as_it_is() -> None:
    model = cached(learned(VIT))
    WholeGraph.of(model)
    assert isinstance(model.head.neighbours, torch.Tensor)
    assert "head.neighbours" in model.state_dict()
