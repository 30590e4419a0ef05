"""Contrastive pretraining: the loss, the drawings, the order of batches, and a whole small run."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tools.pretraining.run import pretrain

RECIPE = str(Path(__file__).parents[2] / "tools" / "pretraining" / "icons.yaml")


@pytest.mark.slow
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
    whole = pretrain(RECIPE, tmp_path / "whole", [*settings, "training.steps=4"])
    state = load_file(whole)
    assert {value.dtype for value in state.values()} == {torch.float16}
    assert all(torch.isfinite(value.float()).all() for value in state.values())
    assert {"visual.conv1.weight", "token_embedding.weight", "logit_scale"} <= set(state)
    again = load_file(pretrain(RECIPE, tmp_path / "again", [*settings, "training.steps=4"]))
    assert all(torch.equal(state[name], again[name]) for name in state)
    longer = load_file(pretrain(RECIPE, tmp_path / "again", [*settings, "training.steps=6"]))
    assert not torch.equal(state["visual.conv1.weight"], longer["visual.conv1.weight"])
    assert (
        torch.load(tmp_path / "again" / "checkpoints" / "last.ckpt", weights_only=True)[
            "global_step"
        ]
        == 6
    )
