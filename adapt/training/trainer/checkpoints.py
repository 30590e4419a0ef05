"""Checkpoints that are whole or absent, with the one before kept, and which one to go on from."""

import contextlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from adapt.common.files import part_of, write_whole
from adapt.errors import RunError

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"


class AtomicCheckpointIO(CheckpointIO):
    """Checkpoints that are whole or absent, read back after writing; loaded with `weights_only`.

    Lightning's own writer swallows `PermissionError`: the save seems to succeed and leaves no file.
    The checkpoint that `last.ckpt` replaces is kept as `previous.ckpt`.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save, or raise `RunError` naming the path."""

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
                _keep(Path(path))

        write_whole(path, write, elsewhere="choose another --out; the checkpoint before it is kept")

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


def _keep(last: Path) -> None:
    """Give the last checkpoint a second name; at no moment is there none under the first."""
    previous = last.with_name(PREVIOUS)
    part = part_of(previous)
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        try:
            os.link(last, part)
        except OSError:  # a file system without links
            shutil.copyfile(last, part)
        part.replace(previous)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def checkpoint_to_resume(folder: Path, from_previous: bool = False) -> Path | None:
    """The checkpoint in a folder of checkpoints to go on from; None where there is none yet.

    Args:
        folder: Where `last.ckpt` and `previous.ckpt` are.
        from_previous: Take the previous one where the last is damaged.

    Raises:
        RunError: When the last is damaged and `from_previous` is not set, or both are.
    """
    last, previous = folder / LAST, folder / PREVIOUS
    if not last.is_file():
        return None
    reason = damage(last)
    if reason is None:
        return last
    told = f"{last} - damaged checkpoint - {reason}"
    if not previous.is_file():
        raise RunError(f"{told} - there is none before it: begin again with --overwrite")
    before = damage(previous)
    if before is not None:
        raise RunError(f"{told}; {PREVIOUS}: {before} - begin again with --overwrite")
    if not from_previous:
        content = torch.load(previous, map_location="cpu", weights_only=True, mmap=True)
        raise RunError(
            f"{told} - add --from-previous to go on from the checkpoint before it, {previous} "
            f"(after step {content['global_step']}), or begin again with --overwrite"
        )
    return previous


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
