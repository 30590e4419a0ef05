"""The moving average, the lines of progress and the checkpoints."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.training.callbacks import AtomicCheckpointIO, MovingAverage
from adapt.training.context import Context
from adapt.training.data_module import ImageDataModule
from adapt.training.module import AdaptModule
from adapt.training.settings import Optim
from tests.helpers.tiny import CLASSES
from tests.helpers.training import fit, plain_trainer

QUICK = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)


def test_checkpoint_files(tmp_path: Path) -> None:
    files = AtomicCheckpointIO()
    content = {"state_dict": {"w": torch.arange(3.0)}, "epoch": 4}
    path = tmp_path / "deep" / "last.ckpt"
    files.save_checkpoint(content, path)
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
    found = files.load_checkpoint(path)
    assert torch.equal(found["state_dict"]["w"], content["state_dict"]["w"])
    assert found["epoch"] == 4
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError) as caught:
        files.save_checkpoint(content, tmp_path / "file" / "last.ckpt")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'last.ckpt'} - cannot be written")
    assert caught.value.exit_code == 5
    with pytest.raises(RunError, match="no such checkpoint"):
        files.load_checkpoint(tmp_path / "none.ckpt")
    files.remove_checkpoint(path)
    files.remove_checkpoint(path)
    assert not path.exists()


def test_a_full_disk_keeps_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    files.save_checkpoint({"epoch": 1}, path)
    original = Path.open

    def full(self: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        return original(Path("/dev/full") if "w" in mode else self, mode, *given, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(RunError, match="cannot be written"):
        files.save_checkpoint({"w": torch.zeros(100_000)}, path)
    monkeypatch.undo()
    assert files.load_checkpoint(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


class Surprise:
    """What a harmful checkpoint would hold: a class of its own."""


def test_checkpoints_with_objects_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": Surprise()}, tmp_path / "evil.ckpt")
    with pytest.raises(Exception, match=r"[Ww]eights.only|Unsupported"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "evil.ckpt", weights_only=False)


def test_the_average_in_a_plain_trainer(start: Classifier, toy_data: ImageData) -> None:
    copy = start.clone().requires_grad_(False)
    copy.head.requires_grad_(True)
    copy.head_from_text = False
    loader = ImageDataModule(
        toy_data.train, None, CLASSES, copy.backbone.preprocessing, "none", 8, 0
    )
    average = MovingAverage(0.9)
    plain_trainer(max_epochs=1, callbacks=[average]).fit(
        AdaptModule(copy, QUICK), datamodule=loader
    )
    assert set(average.average) == {"classifier.head.weight", "classifier.head.bias"}
    assert torch.equal(copy.head.weight, average.average["classifier.head.weight"])


def test_one_line_an_epoch(
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    capfd: pytest.CaptureFixture[str],
) -> None:
    fit(start, toy_data, replace(QUICK, epochs=3), replace(context, quiet=False))
    out, err = capfd.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        pattern = (
            rf"epoch {number}/3  train_loss \d+\.\d{{4}}  val_loss \d+\.\d{{4}}  "
            r"val_accuracy [01]\.\d{4}  \d+ s"
        )
        assert re.fullmatch(pattern, "  ".join(sorted_parts(line))), line
    fit(start, toy_data, QUICK, context)
    assert capfd.readouterr() == ("", "")


def sorted_parts(line: str) -> list[str]:
    """The parts of a line with the three scores in a fixed order."""
    first, *scores, last = line.split("  ")
    order = ["train_loss", "val_loss", "val_accuracy"]
    return [first, *sorted(scores, key=lambda part: order.index(part.split()[0])), last]
