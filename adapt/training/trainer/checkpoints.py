"""Checkpoints that are whole or absent, with the one before kept, and which one to go on from."""

import contextlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from adapt.common.files import not_written, part_of, write_whole
from adapt.errors import RunError

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class AtomicCheckpointIO(CheckpointIO):
    """Checkpoints that are whole or absent, read back after writing; loaded with `weights_only`.

    Lightning's own writer swallows `PermissionError`: the save seems to succeed and leaves no file.
    The checkpoint that `last.ckpt` replaces is kept as `previous.ckpt`, and where `best` is set
    when it is saved, it is also kept as `best.ckpt`. Both are further names of one file, where the
    file system has such.
    """

    def __init__(self) -> None:
        self.best = False
        """Whether the next checkpoint is the best so far."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save, or raise `RunError` naming the path."""
        best = self.best

        def write(part: Path) -> None:
            try:
                with part.open("wb") as file:
                    torch.save(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                if reason := _unreadable(part):
                    raise OSError(f"read back {reason}")
            except RuntimeError as error:  # how torch reports a full disk
                raise OSError(str(error)) from error
            if Path(path).name == LAST and Path(path).is_file():
                _keep(Path(path), PREVIOUS)

        elsewhere = "choose another --out; the checkpoint before it is kept"
        write_whole(path, write, elsewhere=elsewhere)
        try:
            if best:
                _keep(Path(path), BEST)
            _sync(Path(path).parent)
        except OSError as error:
            raise RunError(not_written(Path(path).with_name(BEST), error, elsewhere)) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> Any:
        """Load tensors and plain containers only, whatever the caller asks for."""
        if not Path(path).is_file():
            raise RunError(f"{path} - no such checkpoint - nothing there - start without it")
        return torch.load(path, map_location=map_location or "cpu", weights_only=True)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint if it is there."""
        Path(path).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Let names in a folder outlast a power failure, where the system can do so."""
    if os.name == "posix":
        place = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def _keep(last: Path, name: str) -> None:
    """Give the last checkpoint a second name; at no moment is there none under the first."""
    other = last.with_name(name)
    part = part_of(other)
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        try:
            os.link(last, part)
        except OSError:  # a file system without links
            shutil.copyfile(last, part)
        part.replace(other)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def checkpoint_to_resume(folder: Path, from_previous: bool = False) -> Path | None:
    """The checkpoint in a folder of checkpoints to go on from; None where there is none yet.

    Args:
        folder: Where `last.ckpt` and `previous.ckpt` are.
        from_previous: Where the last is damaged, take the latest other one: `previous.ckpt`, or
            `best.ckpt` if that is damaged too.

    Raises:
        RunError: When the last is damaged and `from_previous` is not set, or all are.
    """
    last, previous, best = (folder / name for name in (LAST, PREVIOUS, BEST))
    if not last.is_file():
        return None
    reason = damage(last)
    if reason is None:
        return last
    told = f"{last} - damaged checkpoint - {reason}"
    others = {path: damage(path) for path in (previous, best) if path.is_file()}
    if not others:
        raise RunError(f"{told} - there is none before it: begin again with --overwrite")
    whole = [path for path, before in others.items() if before is None]
    if not whole:
        damaged = "; ".join(f"{path.name}: {before}" for path, before in others.items())
        raise RunError(f"{told}; {damaged} - begin again with --overwrite")
    if not from_previous:
        content = torch.load(whole[0], map_location="cpu", weights_only=True, mmap=True)
        raise RunError(
            f"{told} - add --from-previous to go on from the checkpoint before it, {whole[0]} "
            f"(after step {content['global_step']}), or begin again with --overwrite"
        )
    return whole[0]


def damage(path: Path) -> str | None:
    """What is wrong with a checkpoint file, None when nothing is. Every byte is checked."""
    if reason := _unreadable(path):
        return reason
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if (
        not isinstance(content, dict)
        or not {"state_dict", "global_step", "loops"} <= content.keys()
    ):
        return f"{path.stat().st_size:,} bytes, not a checkpoint of a training"
    return None


def _unreadable(path: Path) -> str | None:
    """Why a file cannot be loaded: its bytes go through a checksum, and none stays in memory."""
    size = f"{path.stat().st_size:,} bytes"
    try:
        with zipfile.ZipFile(path) as archive:
            spoiled = archive.testzip()
        if spoiled is not None:
            return f"{size}, altered or incomplete"
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # of many kinds: the bytes can be anything
        return f"{size}, cut off or not a checkpoint"
    return None
