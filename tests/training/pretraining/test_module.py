"""Contrastive pretraining: the loss, the drawings, the order of batches, and a whole small run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

import adapt
from adapt.errors import DataError, RecipeError
from adapt.runs.pretrain import load_pretrain_recipe, pretrain
from adapt.training.pretraining.drawings import colourise, place, vary_light
from adapt.training.pretraining.module import grouped_contrastive_loss
from adapt.training.pretraining.pairs import CurriculumSampler, PackedPairs

GROUPS = [0] * 12 + [1] * 8 + [2] * 2


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    folder = tmp_path / "packed"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (22, 5, 48, 48), dtype=np.uint8)
    np.save(folder / "pixels.npy", pixels)
    names = ["cat", "dog", "sun"]
    table = pd.DataFrame(
        {
            "caption": [names[g] for g in GROUPS],
            "group": GROUPS,
            "colour": [i % 2 == 0 for i in range(22)],
        }
    )
    table.to_parquet(folder / "pairs.parquet")
    return folder


def test_loss_against_a_slow_direct_computation() -> None:
    generator = torch.Generator().manual_seed(3)
    images, texts = (
        functional.normalize(torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=-1)
        for _ in range(2)
    )
    group = [0, 1, 0, 2, 1]
    logits = 7.0 * images.numpy() @ texts.numpy().T
    total = 0.0
    for table in (logits, logits.T):
        for i in range(5):
            log_sum = np.log(np.exp(table[i]).sum())
            positives = [j for j in range(5) if group[j] == group[i]]
            total += np.mean([log_sum - table[i, j] for j in positives]) / 5
    loss = grouped_contrastive_loss(images, texts, torch.tensor(7.0), torch.tensor(group))
    assert loss.item() == pytest.approx(total / 2, abs=1e-12)


def test_placing_with_strength_zero_changes_nothing() -> None:
    images = torch.rand(2, 5, 9, 9)
    placed = place(images, 0.0, torch.Generator().manual_seed(0))
    assert torch.allclose(placed, images, atol=1e-5)


def test_plain_drawings_are_ink_on_white_and_colour_is_kept() -> None:
    drawing = torch.zeros(2, 5, 2, 2)
    drawing[:, 3, 0, 0] = 1.0  # one opaque pixel
    drawing[1, 0, 0, 0] = 1.0  # and red in the second
    out = colourise(drawing, torch.tensor([False, True]), 1.0, torch.Generator().manual_seed(0))
    assert out[0, :, 0, 0].tolist() == [0, 0, 0]
    assert out[1, :, 0, 0].tolist() == [1, 0, 0]
    assert (out[0, :, 1, 1] == 1).all()


def test_light_stays_in_range_and_depends_on_the_seed() -> None:
    images = torch.rand(4, 3, 5, 5)
    first, again, other = (vary_light(images, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert 0 <= first.min() <= first.max() <= 1


def test_easy_steps_show_frequent_groups_and_resuming_gives_the_same_batches(packed: Path) -> None:
    pairs = PackedPairs(packed)
    sampler = CurriculumSampler(pairs, 64, 6, 3, 8, 3.0, seed=5)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    assert all(GROUPS[row] < 2 for batch in batches[:3] for row in batch)
    assert any(GROUPS[row] == 2 for batch in batches[3:] for row in batch)
    assert list(CurriculumSampler(pairs, 64, 6, 3, 8, 3.0, seed=5, first=4)) == batches[4:]
    coloured = np.mean([row % 2 == 0 for batch in batches for row in batch])
    assert coloured == pytest.approx(0.75, abs=0.08)  # three to one


@pytest.mark.parametrize("spoil", ["pixels.npy", "pairs.parquet", "length"])
def test_broken_pairs_are_named(spoil: str, packed: Path) -> None:
    if spoil == "length":
        np.save(packed / "pixels.npy", np.zeros((3, 5, 48, 48), np.uint8))
    else:
        (packed / spoil).unlink()
    with pytest.raises(DataError, match="3 images but 22" if spoil == "length" else f"no {spoil}"):
        PackedPairs(packed)


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
