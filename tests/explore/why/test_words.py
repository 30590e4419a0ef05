"""Words are left out one at a time, and what that does is what another head says."""

import pytest
import torch

from adapt.explore.why.words import MOST_WORDS, frequent_words, word_effects
from adapt.models.classifier import Classifier


def test_equals_a_head_of_the_shorter_prompts() -> None:
    names, templates = ["cat", "dog"], ["a photo of a {}.", "a {}"]
    whole = Classifier.from_clip("adapt-icons-xs", "embedded", names, templates)
    rest = Classifier.from_clip("adapt-icons-xs", "embedded", names, ["a of a {}.", "a {}"])
    feature = torch.nn.functional.normalize(torch.arange(1.0, whole.head.in_features + 1), dim=0)
    effects = {(each.class_name, each.word): each for each in word_effects(whole, feature, [1])}
    assert {name for name, _ in effects} == {"dog"}
    with torch.no_grad():
        expected = float((rest.head.weight[1] - whole.head.weight[1]) @ feature)
    assert effects["dog", "photo"].change == pytest.approx(expected, abs=1e-4)
    assert effects["dog", "photo"].prompts == 1
    assert effects["dog", "dog"].prompts == 2


def test_strongest_first() -> None:
    model = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "red car"], ["a {} here"])
    feature = torch.nn.functional.normalize(torch.ones(model.head.in_features), dim=0)
    sizes = [abs(each.change) for each in word_effects(model, feature, [0, 1])]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3 + 4


def test_many_words_are_cut() -> None:
    assert len(frequent_words([" ".join("abcdefghijklmnop")])) == MOST_WORDS
