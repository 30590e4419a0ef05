"""Checkpoints that are written while training goes on."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.errors import RunError
from adapt.training.trainer import background
from adapt.training.trainer.background import BackgroundCheckpointIO, on_host
from adapt.training.trainer.checkpoints import BEST, LAST, PREVIOUS, AtomicCheckpointIO


def content(step: int) -> dict[str, Any]:
    weights = {"w": torch.full((50,), float(step))}
    return {"state_dict": weights, "global_step": step, "loops": {}, "epoch": step}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Nothing is written before this is set."""
    go, write = threading.Event(), AtomicCheckpointIO.save_checkpoint

    def save(self: Any, *given: Any) -> None:
        assert go.wait(60)
        write(self, *given)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", save)
    return go


def test_what_is_saved_is_what_was_when_the_save_began(
    tmp_path: Path, held: threading.Event
) -> None:
    files, now = BackgroundCheckpointIO(), content(1)
    files.save_checkpoint(now, tmp_path / LAST)
    assert files.busy
    assert not (tmp_path / LAST).exists()
    now["state_dict"]["w"].fill_(99)  # training goes on
    held.set()
    files.finish()
    assert not files.busy
    stored = files.load_checkpoint(tmp_path / LAST)
    assert torch.equal(stored["state_dict"]["w"], torch.ones(50))
    assert files.seconds > 0


def test_one_at_a_time_and_in_order(tmp_path: Path) -> None:
    files = BackgroundCheckpointIO()
    for step in range(1, 4):
        files.best = step == 2
        files.save_checkpoint(content(step), tmp_path / LAST)
    files.finish()
    steps = {
        name: files.load_checkpoint(tmp_path / name)["global_step"]
        for name in (LAST, PREVIOUS, BEST)
    }
    assert steps == {LAST: 3, PREVIOUS: 2, BEST: 2}
    assert {path.name for path in tmp_path.iterdir()} == set(steps)


@pytest.mark.parametrize("asks", ["check", "finish", "save"])
def test_an_error_of_the_writer_is_raised_later_and_once(asks: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    files = BackgroundCheckpointIO()
    files.save_checkpoint(content(1), tmp_path / "file" / LAST)
    files.teardown()  # waits, and hides no other error
    ask = {
        "check": files.check,
        "finish": files.finish,
        "save": lambda: files.save_checkpoint(content(2), tmp_path / LAST),
    }
    with pytest.raises(RunError, match=r"last\.ckpt - cannot be written"):
        ask[asks]()
    files.check()
    files.save_checkpoint(content(3), tmp_path / LAST)
    files.finish()
    assert files.load_checkpoint(tmp_path / LAST)["global_step"] == 3


def test_a_disk_that_became_too_full_is_named_after_the_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def check(folder: Path, needed: int) -> None:
        asked.append(needed)
        raise RunError(f"{folder} - no room")

    monkeypatch.setattr(background, "check_room", check)
    files = BackgroundCheckpointIO()
    files.save_checkpoint(content(1), tmp_path / LAST)
    files.finish()
    assert not asked, "after the last save none need have room"
    files.another = True
    files.save_checkpoint(content(2), tmp_path / LAST)
    with pytest.raises(RunError, match="no room"):
        files.finish()
    assert asked == [(tmp_path / LAST).stat().st_size]
    assert files.load_checkpoint(tmp_path / LAST)["global_step"] == 2, "it is saved all the same"


def test_copies_share_nothing() -> None:
    value = {"a": [torch.ones(2)], "b": (torch.ones(2), 3), "c": None, "d": {"e": "f"}}
    copy = on_host(value)
    value["a"][0].fill_(5)  # type: ignore[index]
    value["b"][0].fill_(5)  # type: ignore[index]
    assert torch.equal(copy["a"][0], torch.ones(2))
    assert torch.equal(copy["b"][0], torch.ones(2))
    assert (copy["b"][1], copy["c"], copy["d"]) == (3, None, {"e": "f"})
