"""The whole of `adapt embed`: from a source and a model to parts, whatever engine computes them."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch

from adapt.common.content import text_hash
from adapt.common.files import json_text, safe_cell, write_json, write_whole
from adapt.common.progress import track
from adapt.common.typed import resolve_path
from adapt.common.words import plural
from adapt.errors import DataError, RunError
from adapt.predictions.inputs.base import LIST
from adapt.predictions.manifest import check_same
from adapt.predictions.run import check_other, without_answer
from adapt.runs.folder.lock import HALF_WRITTEN, FolderKind, run_folder
from adapt.scale.addresses import is_address
from adapt.scale.collection import MODEL, STATS
from adapt.scale.embedder import Embedder
from adapt.scale.engine import Engine, Opened
from adapt.scale.local_engine import local
from adapt.scale.parts import (
    AGAIN,
    FORMAT,
    INPUTS,
    PartJob,
    Stats,
    made_by,
    part_path,
    read_stats,
    stats_path,
)
from adapt.scale.plan import Plan, make_plan
from adapt.scale.ray_engine import ray_data
from adapt.scale.settings import LOCAL, RAY, EmbedSettings
from adapt.version import __version__

NAME, RETRY = "embed.json", "retry.csv"
ENGINES: dict[str, Engine] = {LOCAL: local, RAY: ray_data}
SET = FolderKind("set of embeddings", "earlier embeddings", (NAME, INPUTS), "-o")


@dataclass(frozen=True)
class Embedded:
    """What `embed_files` wrote."""

    path: Path
    """The folder of parts."""
    images: int
    """Rows of all parts: every image of the source, whatever became of it."""
    errors: dict[str, int]
    """Images without features, by reason, most frequent first."""
    skipped: dict[str, int]
    """Files in the source that are no images, by suffix."""
    parts: int
    """Parts of the set."""
    before: int
    """Parts that earlier runs had finished."""
    where: str
    """What computed them, in words."""

    def said(self) -> str:
        """What was embedded and what was not, in words.

        >>> done = Embedded(Path("out"), 2000, {"empty file": 20}, {}, 4, 1, "on cpu")
        >>> print(done.said())
        2,000 images in 4 parts embedded on cpu, 1 part of them before, 20 with an error \
(20 empty file)
        """
        words = f"{plural(self.images, 'image')} in {plural(self.parts, 'part')}"
        if self.before == self.parts:
            words = f"nothing left to do: {words} were embedded before"
        else:
            words += f" embedded {self.where}"
            words += f", {plural(self.before, 'part')} of them before" if self.before else ""
        return ", ".join([words, *without_answer(self.errors, self.skipped)])


def embed_files(
    source: str | Path,
    model: str | Path,
    output: str | Path,
    settings: EmbedSettings | None = None,
    overwrite: bool = False,
    retry: bool = False,
) -> Embedded:
    """Embed every image of a source, one row for each, bad ones included; go on where it stopped.

    The source is divided into parts, and each is written as one Parquet table, whole or not at all,
    and then marked by its `_stats.json`. The same call again computes only what is not marked;
    the set ends with the bytes of one that was never stopped, by whatever engine.

    Args:
        source: A folder, an image, a CSV or Parquet table with a column `path`, archives or Parquet
            tables with images (one, or a pattern), `-` for a list on standard input; or addresses
            of any of these, such as `s3://bucket/shards/*.tar`.
        model: A bundle, or what `adapt export` wrote.
        output: The folder of the parts; every machine that computes must see it.
        settings: See `EmbedSettings`.
        overwrite: Begin again.
        retry: Compute parts with errors again.

    Raises:
        RecipeError: When the folder was begun otherwise, or holds something else.
        DataError: When there is nothing to embed, or the source is another than at the beginning.
        BundleError: When the model cannot be opened.
        RunError: When something cannot be written, or a finished part was altered.
    """
    settings = settings or EmbedSettings()
    output, model = resolve_path(output), resolve_path(model)
    given = str(source)
    if given != LIST and not is_address(given):
        given = str(resolve_path(source))
        check_other(output, given)
    engine = ENGINES[settings.engine]
    with run_folder(output, not overwrite, overwrite, SET), engine(settings, model) as opened:
        job = _job(output, model, opened)
        plan = _planned(output, given, job, opened.settings)
        left = _left(output, job, plan, retry)
        if left:
            (output / STATS).unlink(missing_ok=True)
            for _ in track(opened.compute(job, left), "embedding parts", len(left)):
                pass
        return _finished(output, job, plan, len(left), opened.where)


def _job(output: Path, model: Path, opened: Opened) -> PartJob:
    """What every process is told; the model is opened here once, so that it fails here first."""
    chosen = opened.settings
    threads = chosen.threads or 1
    embedder = Embedder(str(model), chosen.device, chosen.precision, threads, chosen.trust)
    here = replace(embedder, device="cpu").opened()
    made = {
        "format": FORMAT,
        "adapt": __version__,
        "torch": torch.__version__,
        "model": embedder.hash,
        "preprocessing": text_hash(json_text(here.predictor.preprocessing.to_dict(), None)),
        "batch_size": chosen.batch_size,
        "device": chosen.device,
        "precision": chosen.precision,
        # A GPU computes alike, whatever number of threads feeds it.
        "threads": threads if chosen.device == "cpu" else None,
    }
    return PartJob(
        str(Path.cwd()), str(output), embedder, made, chosen.batch_size, threads, here.width()
    )


def _planned(output: Path, source: str, job: PartJob, settings: EmbedSettings) -> Plan:
    """The plan, as at the beginning; `embed.json` says what that was."""
    path, begun = output / NAME, {}
    if path.is_file():
        try:
            begun = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise RunError(f"{path} - cannot be read - {reason} - {AGAIN}") from error
        known = {"inputs": begun.get("inputs"), "parts": begun.get("parts")}
        check_same(begun, {**_beginning(source, job, settings), **known}, output)
    plan = make_plan(
        source, settings.part_rows, settings.remote, None if begun else output / INPUTS
    )
    if begun and begun["inputs"] != plan.hash:
        raise DataError(
            f"{path} - the source has changed - {plan.parts} parts, {begun['parts']} before, with "
            "other images or archives - bring them back, choose another -o, or begin again with "
            "--overwrite"
        )
    if not begun:
        known = {"inputs": plan.hash, "parts": plan.parts}
        write_json(path, {**_beginning(source, job, settings), **known})
    return plan


def _beginning(source: str, job: PartJob, settings: EmbedSettings) -> dict[str, Any]:
    return {**job.made, "source": source, "part_rows": settings.part_rows}


def _left(output: Path, job: PartJob, plan: Plan, retry: bool) -> list[int]:
    """The parts that are not finished; what is finished must be as it was written."""
    left = []
    for number in track(range(plan.parts), "checking finished parts"):
        stats = read_stats(output, number)
        if stats is not None and retry and stats.errors:
            (output / STATS).unlink(missing_ok=True)  # first: the set is no longer whole
            stats_path(output, number).unlink()
            stats = None
        if stats is None:
            left.append(number)
            continue
        _check(part_path(output, number), stats, job)
    return left


def _check(part: Path, stats: Stats, job: PartJob) -> None:
    """A finished part is there, has its size, and was made as others will be."""
    if not part.is_file() or part.stat().st_size != stats.size:
        what = "altered" if part.is_file() else "missing"
        mark = f"delete {part.stem}_stats.json to compute it again"
        raise RunError(f"{part} - {what} - it was finished before - {mark}, or {AGAIN}")
    made = made_by(part)
    check_same({name: made.get(name) for name in job.made}, job.made, part)


def _finished(output: Path, job: PartJob, plan: Plan, computed: int, where: str) -> Embedded:
    """Add up all parts, write the list of what may be tried again, and mark the set."""
    errors, skipped, rows = Counter[str](), Counter(plan.skipped), 0
    broken = []
    for number in range(plan.parts):
        stats = read_stats(output, number)
        if stats is None:
            raise RunError(
                f"{stats_path(output, number)} - missing - its part was computed - start the same "
                "command again"
            )
        rows += stats.rows
        errors.update(stats.errors)
        skipped.update(stats.skipped)
        if stats.errors:
            broken.append(number)
    for half in output.glob(HALF_WRITTEN):  # by processes that were killed
        half.unlink(missing_ok=True)
    _write_retry(output, broken)
    wrong = sum(errors.values())
    ordered = dict(sorted(errors.items(), key=lambda item: (-item[1], item[0])))
    done = Embedded(
        output, rows, ordered, dict(skipped.most_common()), plan.parts,
        plan.parts - computed, where,
    )  # fmt: skip
    counts = {"images": rows, "embedded": rows - wrong, "errors": done.errors}
    if computed or not (output / STATS).is_file():
        # For whoever searches; parts name the model by its hash alone, wherever it lies.
        model = {MODEL: str(Path(job.embedder.model).absolute())}
        content = {**job.made, **model, "width": job.width, "parts": plan.parts, **counts}
        write_json(output / STATS, {**content, "skipped": done.skipped})
    return done


def _write_retry(output: Path, numbers: list[int]) -> None:
    """`retry.csv`: each image without features, and why; none where all have some."""
    if not numbers:
        (output / RETRY).unlink(missing_ok=True)
        return

    def write(place: Path) -> None:
        with place.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "error", "reason"])
            for number in numbers:
                for row in _broken(part_path(output, number)):
                    writer.writerow([safe_cell(row[name]) for name in ("path", "error", "reason")])

    write_whole(output / RETRY, write)


def _broken(part: Path) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(part) as file:
        for batch in file.iter_batches(columns=["path", "error", "reason"]):
            yield from (row for row in batch.to_pylist() if row["error"] is not None)
