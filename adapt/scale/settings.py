"""How images are embedded."""

from dataclasses import dataclass
from typing import ClassVar

from adapt.common.ranges import Ranges, at_least, one_of, or_none
from adapt.training.settings import ACCELERATORS, INFERENCE_PRECISIONS

LOCAL, RAY = "local", "ray"
ENGINE_NAMES = (LOCAL, RAY)


@dataclass(frozen=True)
class EmbedSettings:
    """What decides on the bytes of a set of embeddings, and what computes them.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    ranges: ClassVar[Ranges] = Ranges(
        part_rows=at_least(1, most=100_000_000),
        batch_size=at_least(1),
        device=one_of(ACCELERATORS),
        precision=one_of(INFERENCE_PRECISIONS),
        engine=one_of(ENGINE_NAMES),
        actors=or_none(at_least(1), "chosen by the engine"),
        threads=or_none(at_least(1), "this actor's share of the processors"),
    )

    part_rows: int = 10_000
    """Images in a part, where the source is a folder or a list; an archive or a Parquet table with
    images is a part of its own."""
    batch_size: int = 64
    """Images computed at once. Other sizes may change the last bits of a feature."""
    device: str = "auto"
    """`auto` (a GPU where there is one), `cpu`, `gpu`, `cuda` or `mps`."""
    precision: str = "32"
    """`32`, `tf32` (CUDA's tensor cores) or `bf16`, as `runtime.inference_precision` of a run."""
    engine: str = LOCAL
    """`local` (this process) or `ray` (actors of Ray Data, here or on a cluster)."""
    actors: int | None = None
    """Processes that compute, for `ray`: one for each GPU, or one for each machine, if None."""
    threads: int | None = None
    """Threads of each process, which decode, and compute where that is done on a CPU; its share of
    the processors if None. Another number may change the last bits of a feature on a CPU."""
    remote: bool = False
    """Read the addresses (`s3://...`) that a table or list on this machine names."""
    trust: bool = False
    """Open an export of the format `torch` too, which can run code."""

    def __post_init__(self) -> None:
        self.ranges.check(self)
