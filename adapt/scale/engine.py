"""What an engine is: it computes parts, in any order, and says of each when it is finished."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from adapt.scale.parts import PartJob
from adapt.scale.settings import EmbedSettings

Compute = Callable[[PartJob, Sequence[int]], Iterator[int]]
"""From a job and the numbers of parts to the number of rows of each part that is finished."""


@dataclass(frozen=True)
class Opened:
    """An engine that is ready."""

    settings: EmbedSettings
    """With the device, the number of actors and of threads that it has chosen."""
    compute: Compute
    """Computes parts."""
    where: str
    """What computes them, in words."""


Engine = Callable[[EmbedSettings, Path], AbstractContextManager[Opened]]
"""From settings and the model; what it has started ends with the context."""
