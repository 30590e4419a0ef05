"""What finished stages came to, kept until the run is complete."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.methods.base import Method
from adapt.models.classifier import Classifier
from adapt.runs.folder.stages import FOLDER, SCORES, Stages, is_complete
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.methods import METHODS, make
from tests.helpers.tiny import bit_equal


def never() -> Any:
    raise AssertionError("a finished stage is not computed again")


def test_a_finished_stage_is_read(tmp_path: Path) -> None:
    logits = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    right = np.array([True, False])
    before = Stages(tmp_path, {"seed": 0})
    first = before.arrays("val", lambda: [0.5, "aa"], lambda: {"logits": logits, "right": right})
    said = before.content("draw", 1, lambda: {"test": 0.1 + 0.2, "none": None, "few": (1, 2)})
    after = Stages(tmp_path, {"seed": 0})
    again = after.arrays("val", lambda: [0.5, "aa"], never)
    for name, value in {"logits": logits, "right": right}.items():
        assert np.array_equal(again[name], value)
        assert np.array_equal(first[name], value)
        assert again[name].dtype == first[name].dtype == value.dtype
    assert after.content("draw", 1, never) == said == {
        "test": 0.1 + 0.2, "none": None, "few": [1, 2],
    }  # fmt: skip
    assert (before.computed, before.read) == (["val", "draw"], [])
    assert (after.computed, after.read) == ([], ["val", "draw"])
    assert after.seconds == before.seconds
    assert after.before == pytest.approx(sum(before.seconds.values()))
    assert before.before == 0


@pytest.mark.parametrize("changed", ["all", "stage", "about"])
def test_other_facts_are_another_stage(changed: str, tmp_path: Path) -> None:
    Stages(tmp_path, {"seed": 0}).content("val", 1, lambda: "old")
    stages = Stages(tmp_path, {"seed": int(changed == "all")})
    name, about = ("evals" if changed == "stage" else "val"), (2 if changed == "about" else 1)
    assert stages.content(name, about, lambda: "new") == "new"
    assert stages.computed == [name]


def test_what_a_stage_told_is_told_again(tmp_path: Path) -> None:
    notes = ["of the data"]

    def compute() -> int:
        notes.append("training left out 2 steps")
        return 5

    Stages(tmp_path, None, notes).content("fit", None, compute)
    later: list[str] = ["of the data"]
    assert Stages(tmp_path, None, later).content("fit", None, never) == 5
    assert later == notes


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(tmp_path, None).content("fit", None, fails)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert Stages(tmp_path, None).content("fit", None, lambda: 1) == 1


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:-20]),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\xff" * 100),
    lambda path: (path.unlink(), path.mkdir()),
])  # fmt: skip
def test_a_damaged_file_counts_as_none(damage: Callable[[Path], Any], tmp_path: Path) -> None:
    def compute() -> dict[str, np.ndarray]:
        return {"logits": np.ones((4, 4), np.float32)}

    Stages(tmp_path, None).arrays("val", lambda: None, compute)
    (path,) = (tmp_path / FOLDER).iterdir()
    damage(path)
    stages = Stages(tmp_path, None)
    if path.is_dir():
        path.rmdir()
    assert np.array_equal(stages.arrays("val", lambda: None, compute)["logits"], np.ones((4, 4)))
    assert stages.computed == ["val"]


@pytest.mark.parametrize("name", METHODS)
def test_the_model_of_every_method_comes_back_bit_for_bit(
    name: str, start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    method: Method = make(name, Optim(lr=1e-2, epochs=1, batch_size=12, warmup=0.0))
    tuned = method.fit(start, toy_data, context)
    kept = Stages(tmp_path, None).classifier("fit", None, start, lambda: tuned)
    assert kept is tuned
    again = Stages(tmp_path, None).classifier("fit", None, start, never)
    assert bit_equal(dict(again.state_dict()), dict(tuned.state_dict()))
    for fact in ("class_names", "prompts", "prompt_weights", "head_from_text", "temperature"):
        assert getattr(again, fact) == getattr(tuned, fact), fact
    assert again.backbone.features == tuned.backbone.features
    assert type(again.head) is type(tuned.head)
    assert (again.low_rank is None) == (tuned.low_rank is None)
    if again.low_rank is not None and tuned.low_rank is not None:
        assert bit_equal(again.low_rank.tensors(), tuned.low_rank.tensors())
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(again(pixels), tuned(pixels))
    # Nothing is shared: what changes one changes no other.
    with torch.no_grad():
        next(again.backbone.model.parameters()).add_(1)
    assert not bit_equal(dict(again.state_dict()), dict(start.state_dict()))


def test_a_model_of_another_form_is_not_kept(start: Classifier, tmp_path: Path) -> None:
    other = start.clone()
    other.backbone.model.extra = torch.nn.Parameter(torch.zeros(2))
    stages = Stages(tmp_path, None)
    for _ in range(2):
        assert stages.classifier("fit", None, start, lambda: other) is other
    assert (stages.computed, stages.read) == ([], [])


def test_a_bundle_is_written_once(start: Classifier, tmp_path: Path) -> None:
    folder, times = tmp_path / "adapted", list[int]()

    def save() -> None:
        times.append(1)
        start.save(folder)

    for _ in range(2):
        Stages(tmp_path, None).saved("adapted", "aa", folder, save)
    assert len(times) == 1
    (folder / "classifier.json").write_text("{}")
    Stages(tmp_path, None).saved("adapted", "aa", folder, save)
    assert len(times) == 2, "what is not what was written is written again"
    Stages(tmp_path, None).saved("adapted", "bb", folder, save)
    assert len(times) == 3


def test_until_the_run_is_complete(start: Classifier, tmp_path: Path) -> None:
    stages = Stages(tmp_path, None)
    name = stages.identity()
    assert Stages(tmp_path, None).identity() == name
    start.save(tmp_path / "model")
    (tmp_path / SCORES).write_text("{}")
    assert not is_complete(tmp_path)
    stages.close()
    assert is_complete(tmp_path)
    assert not (tmp_path / FOLDER).exists()
    assert not list(tmp_path.glob(".*"))
    assert Stages(tmp_path, None).identity() != name, "another look at the same test sets"
    (tmp_path / SCORES).unlink()
    Stages(tmp_path, None).close()
    assert not is_complete(tmp_path)
