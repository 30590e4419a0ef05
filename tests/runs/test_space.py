"""The disk that a run takes, against the files that one writes, and against sums by hand."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import adapt
from adapt.data.image_data import ImageData
from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.recipe.load import load
from adapt.runs.memory import prepared, weights_of
from adapt.runs.space import REST, Space, check_space, space_of
from adapt.training.context import Context
from adapt.training.settings import Optim

GB = 1_000_000_000


def space(
    start: Classifier, data: ImageData, method: str, *settings: str, **given: Any
) -> tuple[Space, int]:
    """What is estimated, and the bytes of what trains."""
    recipe = load("quickstart", settings).recipe
    made = adapt.method(method, **given)
    tuned = prepared(made, start)
    trained = 4 * sum(p.numel() for p in tuned.parameters() if p.requires_grad)
    return space_of(recipe, made, start, tuned, RunData(data, {}, {})), trained


def test_the_files_of_a_training(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    """Three checkpoints and a fourth while it is written; the last has the size that was said."""
    optim = Optim(epochs=2, batch_size=8, ema=0.5)
    estimated, trained = space(start, toy_data, "full", optim=optim)
    context.folder, context.runtime.checkpoint_minutes = tmp_path, 0
    tuned = adapt.method("full", optim=optim).fit(start, toy_data, context)
    (size,) = {path.stat().st_size for path in (tmp_path / "checkpoints").glob("last.ckpt")}
    assert estimated.checkpoints == 4 * 4 * trained
    assert size == pytest.approx(estimated.checkpoints / 4, rel=0.15, abs=100_000)
    tuned.save(tmp_path / "model")
    weights = sum(path.stat().st_size for path in (tmp_path / "model").glob("*.safetensors"))
    assert weights == pytest.approx(estimated.models / 2, rel=0.15)


def test_sums_by_hand(start: Classifier, toy_data: ImageData) -> None:
    train, val, classes = len(toy_data.train), len(toy_data.val or []), len(start.class_names)
    logits = val * 11 * classes * 4
    plain, trained = space(start, toy_data, "full", "ensemble.alphas=11")
    assert plain.models == 2 * weights_of(start)
    assert plain.cache == (train + val) * start.backbone.width * 4
    assert plain.checkpoints == 4 * 3 * trained
    assert plain.stages == trained + logits
    assert plain.run == plain.checkpoints + plain.stages + plain.models + REST
    soup, _ = space(
        start, toy_data, "full", "ensemble.alphas=11", "ensemble.members={seeds: 2, checkpoints: 3}"
    )
    assert soup.checkpoints == (3 * 2 + 1) * 3 * trained + 2 * 2 * trained
    assert soup.stages == (1 + 6) * trained + logits
    probe, head = space(start, toy_data, "linear_probe")
    assert probe.checkpoints == 0
    assert probe.stages == head + logits


def test_adapters_end_in_the_weights_of_the_encoder(start: Classifier, toy_data: ImageData) -> None:
    full, _ = space(start, toy_data, "full")
    lora, trained = space(start, toy_data, "lora", rank=1)
    assert lora.checkpoints == 4 * 3 * trained < full.checkpoints / 5
    assert lora.stages == full.stages


@pytest.mark.parametrize("there", [0, 3])
def test_a_full_disk_is_named_before_the_run(
    there: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before a stop has its place already."""
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    usage = SimpleNamespace(total=9 * GB, used=7 * GB, free=2 * GB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "last.ckpt").open("wb") as file:
        file.truncate(there * GB)
    needed = Space(3 * GB, 1 * GB, 0, 500_000_000)
    if there:
        check_space(needed, tmp_path / "run")
        return
    sentence = r"run - no room for the run - 2\.0 GB free, 4\.5 GB needed - free some space there "
    with pytest.raises(RunError, match=sentence):
        check_space(needed, tmp_path / "run")
