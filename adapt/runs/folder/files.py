"""The files of a run folder."""

import csv
import hashlib
import platform
import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from adapt.common.files import safe_cell, write_whole
from adapt.data.sources.image_list import ImageList
from adapt.training.runtime import resolve_accelerator, resolve_precision
from adapt.training.settings import Runtime
from adapt.training.trainer.epoch_log import FILE
from adapt.version import __version__

RECORDED = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "open_clip_torch",
    "peft",
    "albumentations",
    "numpy",
    "Pillow",
)
THUMBNAIL = 128


def write_csv(path: Path, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table; text that a spreadsheet would run as a formula gets a quote in front."""

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([safe_cell(cell) for cell in row] for row in rows)

    write_whole(path, write)


def environment(runtime: Runtime, seed: int) -> dict[str, Any]:
    """Versions, device and precision of this run."""
    device = resolve_accelerator(runtime.accelerator)
    return {
        "adapt": __version__,
        "code": code_hash(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "seed": seed,
        "packages": {name: metadata.version(name) for name in RECORDED},
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "precision": resolve_precision(runtime.precision, device),
        "threads": torch.get_num_threads(),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


@cache
def code_hash() -> str:
    """One SHA-256 over the source files of this package."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def training_log(folder: Path) -> None:
    """Copy the CSV log of Lightning to where the report looks for it."""
    source = folder / "log" / FILE
    if source.is_file():
        with source.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in (rows[0] if rows else {}) if not name.startswith("lr-")]
        rates = [name for name in (rows[0] if rows else {}) if name.startswith("lr")]
        content = [
            [*(row[name] for name in names), next((row[r] for r in rates if row[r]), "")]
            for row in rows
        ]
        write_csv(folder / FILE, [*names, "lr"], content)


def skipped_steps(folder: Path) -> int:
    """How many optimiser steps of a run were left out: their loss or gradient was not finite.

    Of all trainings where a run has several.
    """
    paths = [folder / "log" / FILE, *folder.glob(f"members/*/log/{FILE}")]
    return sum(_skipped(path) for path in paths if path.is_file())


def _skipped(path: Path) -> int:
    """The count in a log, which goes up."""
    with path.open(encoding="utf-8") as file:
        counts = [row.get("skipped_steps") for row in csv.DictReader(file)]
    return max((int(float(count)) for count in counts if count), default=0)


def thumbnails(folder: Path, mistakes: list[dict[str, Any]], evals: dict[str, ImageList]) -> None:
    """Write a small picture of each mistake, and add its path to the mistake as `thumbnail`."""
    target = folder / "figures" / "mistakes"
    target.mkdir(parents=True, exist_ok=True)
    for number, mistake in enumerate(mistakes):
        image = evals[mistake["eval"]].open(mistake.pop("index"))
        image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        write_whole(target / f"{number}.png", lambda part, image=image: image.save(part, "PNG"))  # type: ignore[misc]
        mistake["thumbnail"] = f"figures/mistakes/{number}.png"
