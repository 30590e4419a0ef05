"""Pretraining recipes are read strictly, and the tokens of captions are put in order."""

from pathlib import Path

import pytest
import torch

import adapt
from adapt.errors import RecipeError
from adapt.models.backbones import load_backbone, tokenizer_of
from tools.pretraining.run import caption_tokens, load_pretrain_recipe
from tools.pretraining.settings import Pretraining

RECIPE = str(Path(__file__).parents[2] / "tools" / "pretraining" / "icons.yaml")


def test_tokens_of_each_caption_under_each_template() -> None:
    spec = load_backbone("adapt-icons-xs", "random").spec
    captions, templates = ["dog", "cat", "dog"], ["{}", "a {}"]
    tokens = caption_tokens(captions, templates, spec)
    for row, template in enumerate(templates):
        for place, caption in enumerate(captions):
            (expected,) = tokenizer_of(spec)([template.format(caption)])
            assert torch.equal(tokens[row, place], expected.int())


def test_a_wrong_pretraining_recipe_lists_every_mistake(tmp_path: Path) -> None:
    wrong = [
        "training.stepz=3",
        "training.steps=many",
        "training.lr=0",
        "templates=[icon]",
        "precision=64",
        f"pairs={tmp_path / 'none'}",
    ]
    with pytest.raises(RecipeError) as caught:
        load_pretrain_recipe(RECIPE, wrong)
    lines = str(caught.value).split("\n  ")
    assert lines[0].endswith("6 problems")
    for start in (
        "training.stepz - unknown key, did you mean 'steps'",
        "training.steps - wrong type",
        "training.lr - out of range",
        "templates - not templates",
        "precision - not known",
        "pairs - no such folder",
    ):
        assert any(line.startswith(start) for line in lines), (start, lines)


def test_the_shipped_recipe_says_how_the_model_was_made(tmp_path: Path) -> None:
    """Everything that the model's card names stands in the file itself, not in defaults."""
    recipe = load_pretrain_recipe(RECIPE, [f"pairs={tmp_path}"])
    assert recipe.precision == "bf16-mixed"
    assert recipe.compile
    assert "an icon of a {}" in recipe.templates
    assert recipe.training.easy_steps == 1000
    card = (Path(adapt.__file__).parent / "models/embedded/README.md").read_text(encoding="utf-8")
    assert f"{recipe.training.steps:,} steps" in card


def test_pretraining_out_of_range() -> None:
    with pytest.raises(ValueError, match="steps") as caught:
        Pretraining(steps=0, plain=1.5, colour_weight=0.0)
    assert [line.split(" - ")[0] for line in str(caught.value).splitlines()] == [
        "steps",
        "colour_weight",
        "plain",
    ]
