"""Contrastive pretraining: the loss, the drawings, the order of batches, and a whole small run."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import adapt
from adapt.errors import RecipeError
from adapt.runs.pretrain import load_pretrain_recipe, pretrain


def test_a_small_run_trains_both_encoders_and_goes_on(packed: Path, tmp_path: Path) -> None:
    settings = [
        f"pairs={packed}",
        "compile=false",
        "precision=32",
        "training.batch_size=8",
        "training.concept_size=2",
        "training.easy_steps=1",
        "training.easy_size=2",
        "training.warmup_steps=1",
    ]
    whole = pretrain("pretrain/icons", tmp_path / "whole", [*settings, "training.steps=4"])
    state = load_file(whole)
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert all(torch.isfinite(value.float()).all() for value in state.values())
    assert {"visual.conv1.weight", "token_embedding.weight", "logit_scale"} <= set(state)
    again = load_file(
        pretrain("pretrain/icons", tmp_path / "again", [*settings, "training.steps=4"])
    )
    assert all(torch.equal(state[name], again[name]) for name in state)
    longer = load_file(
        pretrain("pretrain/icons", tmp_path / "again", [*settings, "training.steps=6"])
    )
    assert not torch.equal(state["visual.conv1.weight"], longer["visual.conv1.weight"])
    (checkpoint,) = (tmp_path / "again" / "checkpoints").iterdir()
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 6


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
        load_pretrain_recipe("pretrain/icons", wrong)
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
    recipe = load_pretrain_recipe("pretrain/icons", [f"pairs={tmp_path}"])
    assert recipe.precision == "bf16-mixed"
    assert recipe.compile
    assert "an icon of a {}" in recipe.templates
    assert recipe.training.easy_steps == 1000
    card = (Path(adapt.__file__).parent / "models/embedded/README.md").read_text(encoding="utf-8")
    assert f"{recipe.training.steps:,} steps" in card
