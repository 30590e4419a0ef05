"""Checkpoints that are written behind the steps: copied to memory at once, to disk by a thread."""

import threading
import time
from pathlib import Path
from typing import Any

import torch

from adapt.common.files import check_room
from adapt.training.trainer.checkpoints import AtomicCheckpointIO


class BackgroundCheckpointIO(AtomicCheckpointIO):
    """Checkpoints whose bytes are written while training goes on; at most one is under way.

    A save returns once all tensors are copied to memory of the host, so that a step waits no longer
    than that takes; the copy takes as much memory as the file, until it is written. What goes wrong
    afterwards is raised by `check`, `finish` or the next save. The checkpoint before is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self.another = False
        """Whether there must be room for another checkpoint after the next one."""
        self.seconds = 0.0
        """What the last save took in all."""

    @property
    def busy(self) -> bool:
        """Whether a save is under way."""
        return self._thread is not None and self._thread.is_alive()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Begin a save; one that is under way is waited for first.

        Raises:
            RunError: When the save before could not be written.
        """
        self.finish()
        copied, another, began = on_host(checkpoint), self.another, time.monotonic()

        def write() -> None:
            try:
                super(BackgroundCheckpointIO, self).save_checkpoint(copied, path, storage_options)
                if another:
                    check_room(Path(path).parent, Path(path).stat().st_size)
            except Exception as error:  # whatever it is, it is raised where training can end by it
                self._error = error
            self.seconds = time.monotonic() - began

        self._thread = threading.Thread(target=write, name="checkpoint")
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong since the last call.

        Raises:
            RunError: When a checkpoint could not be written, or there is no room for another.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    def finish(self) -> None:
        """Wait for the save that is under way; see `check`."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def teardown(self) -> None:
        """Wait; training has ended, maybe by another error, which is the one to be told."""
        if self._thread is not None:
            self._thread.join()


def on_host(value: Any) -> Any:
    """A copy of nested containers whose tensors are in memory of the host and shared with nothing.

    >>> on_host({"a": [torch.zeros(2), 1]})
    {'a': [tensor([0., 0.]), 1]}
    """
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: on_host(part) for key, part in value.items()}
    if isinstance(value, list):
        return [on_host(part) for part in value]
    return tuple(map(on_host, value)) if type(value) is tuple else value
