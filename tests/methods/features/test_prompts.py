"""Prompts chosen on training images of tiny models: against the search and weights alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError
from adapt.methods.features.base import read_support
from adapt.methods.features.prompts import AS_GIVEN, choose_prompts
from adapt.models.classifier import Classifier
from adapt.models.prompts.columns import column_features, template_columns
from adapt.models.prompts.weighting import zpe_weights
from adapt.models.settings import Prompts
from adapt.models.templates import template_sets
from adapt.training.context import Context
from adapt.training.features.store import FeatureStore
from tests.helpers.tiny import VIT

TEMPLATES = ["a {}", "the {}", "a drawing of a {}"]


@pytest.fixture
def names(toy_data: ImageData) -> list[ClassName]:
    return [toy_data.train.classes[key] for key in toy_data.class_names]


def zero_shot(names: list[ClassName]) -> Classifier:
    return Classifier.from_clip(VIT, "random", names, TEMPLATES)


def test_nothing_is_chosen_unless_asked_for(names: list[ClassName], toy_data: ImageData) -> None:
    start = zero_shot(names)
    assert choose_prompts(start, names, TEMPLATES, Prompts(), toy_data.train) == (start, None)


def test_weights_are_those_of_the_images_and_labels_are_not_looked_at(
    names: list[ClassName], toy_data: ImageData
) -> None:
    start, context = zero_shot(names), Context(store=FeatureStore())
    given = names, TEMPLATES, Prompts(weights="zpe")
    chosen, choice = choose_prompts(start, *given, toy_data.train, context)
    columns = column_features(start.backbone, template_columns(names, TEMPLATES))
    features = read_support(start, ImageData(toy_data.train), Context()).features
    expected = zpe_weights(features, columns, float(start.backbone.scale.detach()))
    assert choice is not None
    assert choice.columns == TEMPLATES
    np.testing.assert_allclose(choice.weights, expected, atol=1e-6)
    assert chosen.prompt_weights == [pytest.approx(choice.weights)] * len(names)
    assert chosen.prompts == start.prompts
    remade = chosen.clone().rebuild_head()
    torch.testing.assert_close(chosen.head.weight, remade.head.weight, atol=1e-4, rtol=0)
    order = [*toy_data.train.labels[1:], toy_data.train.labels[0]]
    mixed = replace(toy_data.train, labels=order)
    again = choose_prompts(start, *given, mixed, context)[1]
    assert again is not None
    assert again.weights == choice.weights


def test_candidates_are_the_prompts_as_given_own_templates_and_those_of_openai(
    names: list[ClassName], toy_data: ImageData
) -> None:
    start = zero_shot(names)
    chosen, choice = choose_prompts(start, names, TEMPLATES, Prompts(search=True), toy_data.train)
    assert choice is not None
    assert choice.searched is not None
    openai = template_sets()["openai"]
    rest = [text for text in openai if text not in TEMPLATES]
    assert choice.candidates == [AS_GIVEN, *TEMPLATES, *rest]
    stored = choice.to_dict()["search"]
    assert stored["candidates"] == 1 + len(set(TEMPLATES) | set(openai))
    assert stored["kept"] == choice.searched.better
    if not choice.searched.better:
        assert chosen is start
        assert choice.columns == [AS_GIVEN]
        assert "are not used" in choice.sentences()[0]
    assert stored["chosen"] == [choice.candidates[number] for number in choice.searched.chosen]


def test_one_template_has_nothing_to_weigh(names: list[ClassName], toy_data: ImageData) -> None:
    own = [replace(name, prompts=("x " + name.words,)) for name in names]
    for classes, templates in ((names, ["a {}"]), (own, TEMPLATES)):
        start = Classifier.from_clip(VIT, "random", classes, templates)
        with pytest.raises(RecipeError, match=r"model\.prompts\.weights - there is nothing to"):
            choose_prompts(start, classes, templates, Prompts(weights="zpe"), toy_data.train)


def test_sentences_beside_templates_are_weighed_as_one(
    names: list[ClassName], toy_data: ImageData
) -> None:
    own = [replace(name, prompts=("x " + name.words, "y " + name.words)) for name in names]
    settings = Prompts(weights="zpe", beside_templates=True)
    start = Classifier.from_clip(VIT, "random", own, TEMPLATES)
    chosen, choice = choose_prompts(start, own, TEMPLATES, settings, toy_data.train)
    assert choice is not None
    assert choice.scores is not None
    assert len(choice.columns) == len(TEMPLATES) + 1
    assert chosen.prompt_weights is not None
    weights = chosen.prompt_weights[0]
    odds = np.exp(np.array([choice.scores[column] for column in (0, 1, 2, 3, 3)]))
    np.testing.assert_allclose(weights, odds / odds.sum(), rtol=1e-6)
    assert choice.weights[3] == pytest.approx(weights[3] + weights[4])
