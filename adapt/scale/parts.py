"""One part: computed, written as one Parquet table, and marked as finished by its `_stats.json`.

Nothing in either file depends on when, by which engine or in which order the part was made, so that
a part that is made again on the same kind of processor has the same bytes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from adapt.common.content import content_hash
from adapt.common.files import write_json, write_whole
from adapt.common.progress import track
from adapt.common.typed import misfit
from adapt.errors import RunError
from adapt.models.prediction.stream import Prediction
from adapt.predictions.outputs.base import as_utf8
from adapt.scale.embedder import Batch, Embedder
from adapt.scale.plan import IMAGE, Entry, entries_of
from adapt.scale.reading import images_of

INPUTS = "inputs.parquet"
"""The plan of a set, beside its parts."""
KEY = b"adapt.embeddings"
"""Under which the metadata of a Parquet file say what made it."""
FORMAT, ROWS, TRIES = 1, 4096, 3
"""Rows of a row group; processes that may die over one part."""
AGAIN = "delete it and start the same command again, or begin again with --overwrite"


@dataclass(frozen=True)
class PartJob:
    """What every process that computes parts is told."""

    base: str
    """The folder that relative paths begin in."""
    folder: str
    """Where the parts are."""
    embedder: Embedder
    """The model."""
    made: dict[str, Any]
    """What each part says about itself: hashes, versions, settings."""
    batch_size: int
    """Images computed at once."""
    threads: int
    """Threads of PyTorch."""
    width: int
    """D, the length of the features."""


@dataclass(frozen=True)
class Stats:
    """What a part holds: `part-000000_stats.json`."""

    file: str
    """SHA-256 of the table."""
    size: int
    """Its bytes."""
    rows: int
    """Images, whatever became of them."""
    errors: dict[str, int]
    """Those without features, by reason."""
    skipped: dict[str, int]
    """Files in a container that are no images, by suffix."""


def part_path(folder: Path, number: int) -> Path:
    """The table of a part.

    >>> part_path(Path("out"), 7).as_posix()
    'out/part-000007.parquet'
    """
    return folder / f"part-{number:06d}.parquet"


def stats_path(folder: Path, number: int) -> Path:
    """The mark that a part is finished; it is written after the table.

    >>> stats_path(Path("out"), 7).as_posix()
    'out/part-000007_stats.json'
    """
    return folder / f"part-{number:06d}_stats.json"


def read_stats(folder: Path, number: int) -> Stats | None:
    """What a finished part holds; None where it is not finished.

    Raises:
        RunError: When the mark is damaged.
    """
    path = stats_path(folder, number)
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        hints: dict[str, Any] = {
            "file": str, "size": int, "rows": int, "errors": dict[str, int],
            "skipped": dict[str, int],
        }  # fmt: skip
        for name, hint in hints.items():
            if problem := misfit(hint, content[name], name):
                raise ValueError(problem)
        return Stats(**content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path} - cannot be read - {reason} - {AGAIN}") from error


def made_by(path: Path) -> dict[str, Any]:
    """What the metadata of a part say that it was made with.

    Raises:
        RunError: When it is no part of a set of embeddings.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
        content = json.loads(metadata[KEY])
        if not isinstance(content, dict):
            raise ValueError("its metadata are no mapping")
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RunError(f"{path} - not a part of embeddings - {reason} - {AGAIN}") from error
    return content


def processor(device: str) -> str:
    """The kind of processor, which has a say in the last bits of a feature."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{device} {torch.backends.cpu.get_cpu_capability()}" if device == "cpu" else device


class PartEmbedder:
    """Computes and writes parts, one after the other, in the process that it is made in.

    It is what engines run: a callable of Ray Data's kind, that takes numbers of parts and gives
    back how many rows each has.
    """

    def __init__(self, job: PartJob) -> None:
        self.job = job
        self.folder = Path(job.folder)

    def __call__(self, batch: Batch) -> Batch:
        """Compute the parts whose numbers stand in the column `part`."""
        stats = [self.embed(int(number)) for number in batch["part"]]
        rows = np.array([done.rows for done in stats], np.int64)
        return {"part": batch["part"], "rows": rows}

    def embed(self, number: int) -> Stats:
        """Compute one part and mark it as finished.

        Raises:
            RunError: When it cannot be written, has not the rows that were planned, or several
                processes have died over it.
        """
        path = part_path(self.folder, number)
        self._check_tries(path)
        part = entries_of(self.folder / INPUTS, number)
        skipped, errors, rows = Counter[str](), Counter[str](), 0

        def fill(place: Path) -> None:
            nonlocal rows
            with _table(place, self._metadata(number), self.job.width) as add:
                for prediction in self._predictions(part, skipped):
                    add(prediction)
                    rows += 1
                    if prediction.error is not None:
                        errors[prediction.reason or "other"] += 1
            if rows != len(part) and part[0].kind == IMAGE:
                raise RunError(
                    f"{path} - rows are missing - {rows} of {len(part)} - please report it"
                )

        with _threads(self.job.threads):
            write_whole(path, fill)
        stats = Stats(
            content_hash(path), path.stat().st_size, rows, _sorted(errors), _sorted(skipped)
        )
        write_json(stats_path(self.folder, number), {"format": FORMAT, **asdict(stats)})
        return stats

    def _predictions(self, part: list[Entry], skipped: Counter[str]) -> Iterator[Prediction]:
        images = images_of(part, skipped)
        answers = self.job.embedder.stream(images, self.job.batch_size)
        known = len(part) if part[0].kind == IMAGE else 0
        return track(answers, "embedding a part", known)

    def _metadata(self, number: int) -> dict[str, Any]:
        opened = self.job.embedder.opened()
        return {**self.job.made, "part": number, "processor": processor(opened.device)}

    def _check_tries(self, path: Path) -> None:
        """A process that was killed leaves what it had begun to write; one may, three may not."""
        left = list(self.folder.glob(f".{path.name}.*.part"))
        if len(left) >= TRIES:
            raise RunError(
                f"{path} - {len(left)} processes have died over it - killed by the system, perhaps "
                "for want of memory - give a smaller --batch-size or fewer --actors, and start the "
                "same command again"
            )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _texts(cells: Iterable[str | None]) -> pa.Array:
    return pa.array([as_utf8(cell) for cell in cells], pa.string())


@contextmanager
def _table(path: Path, made: dict[str, Any], width: int) -> Iterator[Any]:
    """Columns `path`, `features` (D float32, null without), `error` and `reason`."""
    kind = pa.list_(pa.float32(), width)
    text = json.dumps(made, sort_keys=True, ensure_ascii=True, allow_nan=False)
    schema = pa.schema(
        [
            ("path", pa.string()),
            ("features", kind),
            ("error", pa.string()),
            ("reason", pa.string()),
        ],
        {KEY: text.encode()},
    )
    rows: list[Prediction] = []
    # Features hardly repeat, but their exponents do: bytes of one place together take a tenth less.
    packed = {"features.list.element": "BYTE_STREAM_SPLIT"}
    with pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=["reason"], column_encoding=packed
    ) as writer:

        def send() -> None:
            features = [None if row.features is None else row.features.numpy() for row in rows]
            columns = [
                _texts([row.source for row in rows]),
                pa.array(features, kind),
                _texts([row.error for row in rows]),
                _texts([row.reason for row in rows]),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            rows.clear()

        def add(prediction: Prediction) -> None:
            rows.append(prediction)
            if len(rows) == ROWS:
                send()

        yield add
        if rows:
            send()
