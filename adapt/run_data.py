"""From the data sections of a recipe to images: sources, splits, quarantine, leaks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.data.image_data import ImageData
from adapt.data.readable import (
    Quarantined,
    conflicting_files,
    quarantine,
    shared_files,
    split_manifest,
)
from adapt.data.shifts import Shift
from adapt.data.sources import Images, from_embedded, from_folder, from_table, from_unlabelled
from adapt.errors import DataError
from adapt.recipe_schema import Eval, Recipe, expand_evals
from adapt.recipe_sources import Holdout, Source

SHOWN = 5


@dataclass
class RunData:
    """Everything a run reads: what `fit` may see, and the test sets it may not."""

    fit: ImageData
    evals: dict[str, Images]
    specs: dict[str, Eval]
    retention: dict[str, Images] = field(default_factory=dict)
    """Evals with other classes."""
    unknown: Images | None = None
    """Images of none of the classes."""
    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


def read_source(source: Source, classes: str | None, default_split: str) -> Images:
    """The images a source describes.

    Args:
        source: From the recipe.
        classes: The recipe's file of class names, if any.
        default_split: What an embedded source without `split` means here: `train` or `test`.
    """
    if source.kind == "folder":
        root = Path(source.root or "") / source.split if source.split else Path(source.root or "")
        return from_folder(root, classes)
    if source.kind == "table":
        return from_table(source.path or "", source.root, source.split, classes)
    return from_embedded(source.name or "", source.domain or "", source.split or default_split)


def build_data(recipe: Recipe) -> RunData:
    """Read, quarantine and split all images of a recipe.

    Raises:
        DataError: When a source is empty or too many images cannot be read, when a validation or
            test set has a class that train lacks, or the same bytes carry two labels in train.
    """
    section, limit = recipe.data, recipe.data.quarantine_limit
    train, bad = quarantine(read_source(section.train, section.classes, "train"), limit)
    quarantined, val = list(bad), None
    if isinstance(section.val, Source):
        val, bad = quarantine(read_source(section.val, section.classes, "val"), limit)
        quarantined += bad
    fraction = section.val.share if isinstance(section.val, Holdout) else None
    val_shots = section.val.shots if isinstance(section.val, Source) else None
    split_seed = section.val.seed if isinstance(section.val, Holdout) else None
    fit = ImageData.build(
        train, fraction, section.train.shots, recipe.seed, val, val_shots, split_seed
    )
    specs = {one.name: one for one in expand_evals(recipe)}
    evals: dict[str, Images] = {}
    retention: dict[str, Images] = {}
    for name, one in specs.items():
        if one.source is None:
            evals[name] = evals[one.of or ""].with_shift(Shift(one.shift or "", one.severity or 0))
            continue
        other = one.source.retention
        words = one.source.classes if other else section.classes
        images, bad = quarantine(read_source(one.source, words, "test"), limit)
        quarantined += bad
        (retention if other else evals)[name] = images
        if not other:
            images.targets(fit.class_names)
    unknown = recipe.uncertainty.unknown
    strangers = _strangers(unknown) if unknown is not None else None
    data = RunData(
        fit,
        evals,
        {name: one for name, one in specs.items() if name in evals},
        retention,
        strangers,
        quarantined,
        [*fit.notes, *_source_notes(fit, evals)],
    )
    _check_content(data)
    return data


def _strangers(source: Source) -> Images:
    """Images of none of the classes; a folder may hold them in any way."""
    if source.kind == "folder" and not source.split:
        return from_unlabelled(source.root or "")
    return read_source(source, None, "test")


def _source_notes(fit: ImageData, evals: dict[str, Images]) -> list[str]:
    named = {"train": fit.train} | evals
    return [
        f"{name}: {note}"
        for name, images in named.items()
        if images.shift is None
        for note in images.notes
    ]


def _check_content(data: RunData) -> None:
    """Write down which file went where, refuse conflicting labels in train, and name leaks."""
    natural = {name: images for name, images in data.evals.items() if images.shift is None}
    seen = {"train": data.fit.train} | ({"val": data.fit.val} if data.fit.val is not None else {})
    manifest = split_manifest(seen | natural)
    data.manifest = dict(manifest)
    conflicts = [
        c for c in conflicting_files(manifest) if len({p[2] for p in c.places if p[0] in seen}) > 1
    ]
    if conflicts:
        listed = "; ".join(
            " = ".join(f"{path} ({label})" for _, path, label in c.places)
            for c in conflicts[:SHOWN]
        )
        raise DataError(
            f"{data.fit.train.root} - the same image in two classes - {len(conflicts)} images: "
            f"{listed} - "
            "keep each in one class only"
        )
    leaks = shared_files(manifest)
    if leaks:
        listed = "; ".join(
            " = ".join(f"{split}/{path}" for split, path, _ in leak.places)
            for leak in leaks[:SHOWN]
        )
        data.notes.insert(
            0,
            f"LEAK: {len(leaks)} images stand in train or val and in a test set, so test scores "
            "are too "
            f"high: {listed}",
        )
