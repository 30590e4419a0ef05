"""This process: parts one after the other, images decoded in threads while the model computes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from adapt.errors import RecipeError
from adapt.export.load import place_of
from adapt.scale.engine import Opened
from adapt.scale.parts import PartEmbedder, PartJob
from adapt.scale.settings import EmbedSettings
from adapt.training.runtime import processors


@contextmanager
def local(settings: EmbedSettings, model: Path) -> Iterator[Opened]:
    """The engine.

    Raises:
        RecipeError: When actors are asked for, or the device is not known.
        ModelError: When the device is not there.
    """
    if settings.actors is not None:
        raise RecipeError(
            f"--actors - only for --engine ray - {settings.actors} - leave it out, or add "
            "--engine ray"
        )
    device, threads = place_of(settings.device, model), settings.threads or processors()
    yield Opened(replace(settings, device=device, threads=threads), _compute, f"on {device}")


def _compute(job: PartJob, numbers: Sequence[int]) -> Iterator[int]:
    worker = PartEmbedder(job)
    for number in numbers:
        yield worker.embed(number).rows
