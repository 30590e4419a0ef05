"""Columns of prompts: what each class says in them, their features and the head they make."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.data.labels.classes import ClassName
from adapt.errors import RecipeError
from adapt.models.classifier import Classifier
from adapt.models.heads import text_weights
from adapt.models.prompts.columns import (
    Column,
    beside_templates,
    column_features,
    column_shares,
    own_column,
    template_columns,
    weighted_head,
    weighted_prompts,
)
from tests.helpers.tiny import VIT, tiny_classifier

NAMES = [ClassName("sea_star", "sea star", ("five arms", "a {} in sand")), ClassName("cat", "cat")]
TEMPLATES = ["a {}", "the {}", "a {}"]


def test_a_template_says_the_words_of_every_class() -> None:
    first, second = template_columns(NAMES, TEMPLATES)
    assert first == Column("a {}", [["a sea star"], ["a cat"]])
    assert second == Column("the {}", [["the sea star"], ["the cat"]])


def test_a_class_may_keep_its_own_sentences_in_every_column() -> None:
    own = ["five arms", "a sea star in sand"]
    columns = template_columns(NAMES, TEMPLATES, keep_own=True)
    assert [column.prompts for column in columns] == [[own, ["a cat"]], [own, ["the cat"]]]
    prompts, weights = weighted_prompts(columns, column_shares(columns, [0.75, 0.25]))
    assert prompts == [own, ["a cat", "the cat"]]
    assert weights == [[0.5, 0.5], [0.75, 0.25]]


def test_sentences_beside_templates_count_as_one_column() -> None:
    assert beside_templates(NAMES, ["a {}"])[0].prompts == ("a {}", "five arms", "a {} in sand")
    assert beside_templates(NAMES, ["a {}"])[1].prompts == ()
    columns = [*template_columns(NAMES, ["a {}"]), own_column(NAMES, ["a {}"])]
    prompts, weights = weighted_prompts(columns, column_shares(columns, [0.5, 0.5]))
    assert prompts == [["a sea star", "five arms", "a sea star in sand"], ["a cat"]]
    assert weights == [[0.5, 0.25, 0.25], [1.0]]
    plain = column_shares(columns, [2.0, 2.0], by_prompt=True)
    assert weighted_prompts(columns, plain) == (prompts, None)
    weighed = weighted_prompts(columns, column_shares(columns, [1.0, 2.0], by_prompt=True))[1]
    assert weighed == [pytest.approx([0.2, 0.4, 0.4]), [1.0]]
    with pytest.raises(RecipeError, match="beside_templates - there is nothing beside"):
        beside_templates(NAMES[1:], ["a {}"])


def test_equal_weights_of_all_prompts_are_no_weights() -> None:
    columns = template_columns(NAMES, ["a {}", "the {}", "my {}"])
    assert weighted_prompts(columns, column_shares(columns, [2.0, 2.0, 2.0]))[1] is None


def test_the_head_is_that_of_the_weighted_prompts_and_texts_are_encoded_once() -> None:
    start, columns = tiny_classifier(VIT), [*template_columns(NAMES, TEMPLATES)]
    columns.append(own_column(NAMES, TEMPLATES))
    seen: list[str] = []

    def keep(name: str, compute: object) -> torch.Tensor:
        seen.append(name)
        assert callable(compute)
        value: torch.Tensor = compute()
        assert len(value) == 6, "of the 7 prompts `a cat` and `the cat` are said twice"
        return value

    features = column_features(start.backbone, columns, keep)
    shares = column_shares(columns, [0.2, 0.3, 0.5])
    prompts, counts = weighted_prompts(columns, shares)
    scale = float(start.backbone.scale.detach())
    head = weighted_head(features, shares, scale)
    with torch.no_grad():
        rows = []
        for own, count in zip(prompts, counts or [], strict=True):
            texts = start.backbone.encode_text(own).double().numpy()
            mean = sum(w * text for w, text in zip(count, texts, strict=True))
            rows.append(scale * mean / np.linalg.norm(mean))
        again = text_weights(start.backbone, prompts, counts)
    np.testing.assert_allclose(head.numpy(), np.stack(rows), atol=2e-5)
    np.testing.assert_allclose(again.numpy(), np.stack(rows), atol=2e-5)
    column_features(start.backbone, columns, keep)
    assert seen[0] == seen[1]


def test_a_bundle_holds_the_weights_and_the_head_can_be_made_anew(tmp_path: Path) -> None:
    backbone = tiny_classifier(VIT).backbone
    prompts, weights = [["a cat", "the cat"], ["a dog"]], [[0.9, 0.1], [1.0]]
    with torch.no_grad():
        head = torch.nn.Linear(backbone.width, 2)
        head.weight.copy_(text_weights(backbone, prompts, weights))
        head.bias.zero_()
    given = Classifier(backbone, head, ["cat", "dog"], prompts, prompt_weights=weights)
    loaded = Classifier.load(given.save(tmp_path / "model"))
    assert loaded.prompt_weights == weights
    before = loaded.head.weight.detach().clone()
    torch.testing.assert_close(loaded.rebuild_head().head.weight, before, atol=1e-5, rtol=0)
    plain = Classifier(backbone, head, ["cat", "dog"], prompts).rebuild_head()
    assert (plain.head.weight - before).abs().max() > 1e-3
    manifest = json.loads((tmp_path / "model" / "classifier.json").read_text())
    assert manifest["prompt_weights"] == weights
