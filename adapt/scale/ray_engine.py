"""Actors of Ray Data, on this machine or on a cluster (`$RAY_ADDRESS`).

Only numbers of parts travel: each actor reads the images of a part where they are, and writes the
part where it belongs, so that neither the driver nor the object store grows with the images. An
actor that dies is started again by Ray, and its part is made anew.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from adapt import errors
from adapt.errors import AdaptError, ModelError, RunError, one_line
from adapt.export.load import is_export
from adapt.scale.embedder import Batch
from adapt.scale.engine import Opened
from adapt.scale.parts import PartEmbedder, PartJob
from adapt.scale.ray_session import ray_session
from adapt.scale.settings import EmbedSettings

IN_FLIGHT = 2
"""Parts that an actor is given at once: the one that it computes, and the next."""


class PartActor(PartEmbedder):
    """A `PartEmbedder` in a process of its own, which needs open_clip alone to start."""

    def __init__(self, job: PartJob) -> None:
        from adapt.models.building.light import import_open_clip

        import_open_clip()
        os.chdir(job.base)  # on another machine Ray begins elsewhere
        super().__init__(job)

    def __call__(self, batch: Batch) -> Batch:
        """As its base; an error of ours comes back as a row, since Ray keeps but its text."""
        try:
            return {**super().__call__(batch), **_error(batch, "", "")}
        except AdaptError as error:
            told = _error(batch, type(error).__name__, str(error))
            return {**batch, "rows": 0 * batch["part"], **told}


def _error(batch: Batch, kind: str, sentence: str) -> Batch:
    count = len(batch["part"])
    return {"kind": np.array([kind] * count), "sentence": np.array([sentence] * count)}


@contextmanager
def ray_data(settings: EmbedSettings, model: Path) -> Iterator[Opened]:
    """The engine; it joins the Ray of this process or of `$RAY_ADDRESS`, or starts one.

    Raises:
        MissingExtraError: When Ray is not installed.
        ModelError: When the cluster has no GPU and one is asked for.
        RunError: When the cluster cannot be reached, or cannot hold so many actors.
    """
    wanted = (settings.actors or 1) * (settings.threads or 1)
    with ray_session(wanted) as ray:
        chosen = _chosen(settings, model, ray.cluster_resources(), len(ray.nodes()))
        count = chosen.actors
        actors = "1 actor" if count == 1 else f"{count} actors"
        yield Opened(chosen, _Pool(chosen), f"on {chosen.device} by {actors} of Ray")


def _chosen(
    settings: EmbedSettings, model: Path, resources: dict[str, float], machines: int
) -> EmbedSettings:
    """The device, the actors and their threads, by what the cluster has.

    >>> whole = _chosen(EmbedSettings(), Path("model"), {"CPU": 16.0, "GPU": 2.0}, 1)
    >>> whole.device, whole.actors, whole.threads
    ('cuda', 2, 8)
    """
    gpus, cpus = int(resources.get("GPU", 0)), max(int(resources.get("CPU", 0)), 1)
    device = {"auto": "cuda" if gpus and not is_export(model) else "cpu", "gpu": "cuda"}.get(
        settings.device, settings.device
    )
    if device == "cuda" and not gpus:
        raise ModelError(
            f"--device - not available - {settings.device!r}: no machine of this Ray has a GPU - "
            "use auto or cpu"
        )
    actors = settings.actors or (gpus if device == "cuda" else machines)
    threads = settings.threads or max(cpus // actors, 1)
    if actors * threads > cpus or (device == "cuda" and actors > gpus):
        raise RunError(
            f"--actors - more than this Ray has room for - {actors} with {threads} threads each, "
            f"where {cpus} processors and {gpus} GPUs are - give fewer, or fewer --threads"
        )
    return replace(settings, device=device, actors=actors, threads=threads)


class _Pool:
    """Computes parts in a pool of actors."""

    def __init__(self, settings: EmbedSettings) -> None:
        self.settings = settings

    def __call__(self, job: PartJob, numbers: Sequence[int]) -> Iterator[int]:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        rows = [{"part": number} for number in numbers]
        parts = ray.data.from_items(rows, override_num_blocks=len(rows))
        actors = min(self.settings.actors or 1, len(rows))
        gpus = 1 if self.settings.device == "cuda" else None
        done = parts.map_batches(
            PartActor,
            fn_constructor_args=(job,),
            batch_size=1,
            compute=ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=IN_FLIGHT),
            num_cpus=self.settings.threads,
            num_gpus=gpus,
        )
        try:
            for row in done.iter_rows():
                if row["kind"]:
                    raise getattr(errors, row["kind"], RunError)(row["sentence"])
                yield int(row["rows"])
        except ray.exceptions.RayError as error:
            raise RunError(
                f"Ray - the work failed - {one_line(error)} - start the same command again: "
                "finished parts are kept"
            ) from error
