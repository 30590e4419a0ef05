"""Checkpoints on disk: whole, the one before kept, damage noticed."""

import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.errors import RunError
from adapt.training.trainer.checkpoints import (
    LAST,
    PREVIOUS,
    AtomicCheckpointIO,
    checkpoint_to_resume,
    damage,
)


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


def saved(folder: Path, count: int) -> Path:
    """So many checkpoints, one after the other."""
    for epoch in range(count):
        weights = {"w": torch.full((500,), epoch)}
        content = {"state_dict": weights, "epoch": epoch, "global_step": 3 * epoch, "loops": {}}
        AtomicCheckpointIO().save_checkpoint(content, folder / LAST)
    return folder


def test_the_checkpoint_before_is_kept(tmp_path: Path) -> None:
    saved(tmp_path, 3)
    assert {path.name for path in tmp_path.iterdir()} == {LAST, PREVIOUS}
    for name, epoch in ((LAST, 2), (PREVIOUS, 1)):
        assert AtomicCheckpointIO().load_checkpoint(tmp_path / name)["epoch"] == epoch
    assert checkpoint_to_resume(tmp_path) == tmp_path / LAST
    assert checkpoint_to_resume(tmp_path, from_previous=True) == tmp_path / LAST
    assert checkpoint_to_resume(tmp_path / "none") is None


def test_every_cut_and_every_changed_byte_of_the_tensors_is_noticed(tmp_path: Path) -> None:
    last = saved(tmp_path, 2) / LAST
    whole = last.read_bytes()
    middle = whole.index(torch.full((500,), 1).numpy().tobytes()) + 700
    spoiled = [whole[:size] for size in (0, 1, len(whole) // 2, len(whole) - 1)]
    spoiled += [whole[:middle] + b"\xff" + whole[middle + 1 :], b"PK" * 900, b"{}"]
    for content in spoiled:
        last.write_bytes(content)
        with pytest.raises(RunError, match=r"damaged .* add --from-previous .*after step 0"):
            checkpoint_to_resume(tmp_path)
        assert checkpoint_to_resume(tmp_path, from_previous=True) == tmp_path / PREVIOUS
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(RunError, match=r"previous.ckpt: 0 bytes, cut off.*--overwrite"):
        checkpoint_to_resume(tmp_path, from_previous=True)
    (tmp_path / PREVIOUS).unlink()
    with pytest.raises(RunError, match="there is none before it: begin again with --overwrite"):
        checkpoint_to_resume(tmp_path, from_previous=True)


def test_what_is_no_checkpoint_of_a_training(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(3)}, tmp_path / LAST)
    assert damage(tmp_path / LAST) is not None
    torch.save({"state_dict": Surprise(), "global_step": 0, "loops": {}}, tmp_path / LAST)
    reason = damage(tmp_path / LAST)
    assert reason is not None
    assert "weights_only" not in reason, "no advice to load it unsafely"


def test_without_links_the_checkpoint_before_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refused)
    saved(tmp_path, 3)
    assert AtomicCheckpointIO().load_checkpoint(tmp_path / PREVIOUS)["epoch"] == 1


STEPS = ("open", "write", "flush", "os.fsync", "ZipFile", "torch.load", "os.link", "replace")
"""Everything that a save asks of the system, in order."""


def failing(step: str, code: int, patch: pytest.MonkeyPatch) -> None:
    """Let the first call of a step within a save fail."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    class Short(io.BufferedWriter):
        def write(self, data: Any) -> int:
            half = memoryview(data).cast("B")
            super().write(half[: len(half) // 2])
            return fail() if code else len(half) // 2  # short, and nobody says so

        def flush(self) -> None:
            if step == "flush" and not self.closed:
                fail()
            super().flush()

    original = Path.open

    def opened(self: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        if "w" not in mode:
            return original(self, mode, *given, **named)
        if step == "open":
            fail()
        raw = io.FileIO(self, "w")
        return Short(raw) if step in ("write", "flush", "short") else io.BufferedWriter(raw)

    targets = {
        "os.fsync": "os.fsync",
        "ZipFile": "zipfile.ZipFile.__init__",
        "torch.load": "torch.load",
        "os.link": "shutil.copyfile",
        "replace": "pathlib.Path.replace",
    }
    if step in targets:
        patch.setattr(targets[step], fail)
        if step == "os.link":
            patch.setattr("os.link", fail)
    else:
        patch.setattr(Path, "open", opened)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("step", STEPS)
def test_a_fault_at_any_call_of_a_save_keeps_the_checkpoint_before(
    step: str, code: int, tmp_path: Path
) -> None:
    check_fault(step, code, tmp_path)


def test_a_write_that_is_cut_short_without_an_error_is_noticed(tmp_path: Path) -> None:
    check_fault("short", 0, tmp_path)


def check_fault(step: str, code: int, folder: Path) -> None:
    """A save fails with the path in its message; what was there before is whole, and alone."""
    saved(folder, 2)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    weights = {"w": torch.full((500,), 9.0)}
    content = {"state_dict": weights, "epoch": 9, "global_step": 27, "loops": {}}
    files = AtomicCheckpointIO()
    files.best = True
    with pytest.MonkeyPatch.context() as patch:
        failing(step, code, patch)
        with pytest.raises(RunError) as caught:
            files.save_checkpoint(content, folder / LAST)
    assert str(caught.value).startswith(f"{folder / LAST} - cannot be written - ")
    assert "the checkpoint before it is kept" in str(caught.value)
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.items() <= before.items()
    assert checkpoint_to_resume(folder) == folder / LAST
    assert AtomicCheckpointIO().load_checkpoint(folder / LAST)["epoch"] == 1
