"""Checkpoints that are whole or absent."""

import contextlib
import os
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from adapt.errors import RunError


class AtomicCheckpointIO(CheckpointIO):
    """Write beside the target, flush to disk, move in, and read back; load with `weights_only`.

    Lightning's own writer swallows `PermissionError`: the save seems to succeed and leaves no file.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Save, or raise `RunError` naming the path."""
        target = Path(path)
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            torch.load(part, map_location="cpu", weights_only=True)
            part.replace(target)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise RunError(
                f"{target} - checkpoint cannot be written - {error} - free some space or choose "
                "another "
                "--out; the checkpoint before it is kept"
            ) from error

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
