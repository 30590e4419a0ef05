"""From the data sections of a recipe to images: sources, splits, quarantine, leaks."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeGuard

from adapt.common.words import first_few, plural
from adapt.data.image_data import ImageData, check_alike, draw
from adapt.data.settings import Holdout
from adapt.data.shifts.shift import Shift
from adapt.data.sources.base import Source
from adapt.data.sources.captions.pairs import PairsSource, has_pairs
from adapt.data.sources.captions.retrieval import RetrievalSource
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.columns import split_by_date, split_by_value, with_groups
from adapt.data.splits.exclusions import exclude, read_exclusions
from adapt.data.splits.leaks import conflicting_files, shared_files
from adapt.data.splits.quarantine import FIT_SPLITS, ImageCallback, Quarantined, quarantine
from adapt.data.splits.set_aside import FIFTH, automatic_folds, set_aside
from adapt.data.splits.stored import describe_split, stored_split
from adapt.errors import DataError, RecipeError
from adapt.recipe.schema import Eval, Recipe, expand_evals


@dataclass
class RunData:
    """Everything a run reads: what `fit` may see, and the test sets it may not."""

    fit: ImageData
    evals: dict[str, ImageList]
    specs: dict[str, Eval]
    retention: dict[str, ImageList] = field(default_factory=dict)
    """Evals with other classes."""
    retrieval: dict[str, ImageList] = field(default_factory=dict)
    """Evals of images with captions."""
    unknown: ImageList | None = None
    """Images of none of the classes."""
    quarantined: list[Quarantined] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)


def build_data(recipe: Recipe, also: ImageCallback | None = None) -> RunData:
    """Read, quarantine and split all images of a recipe.

    Args:
        recipe: What to read.
        also: Called with path, pixels and facts of each readable image, from several threads.

    Raises:
        DataError: When a source is empty or too many images cannot be read, when a validation or
            test set has a class that train lacks, or the same bytes carry two labels in train.
    """
    sources, notes = read_sources(recipe)
    quarantined: list[Quarantined] = []
    for name in sources:
        sources[name], bad = quarantine(sources[name], recipe.data.quarantine_limit, also)
        quarantined += bad
    pool = [sources.pop(name) for name in FIT_SPLITS if name in sources]
    fit, tests, pool = fit_data(recipe, pool)
    specs = {spec.name: spec for spec in expand_evals(recipe)}
    evals: dict[str, ImageList] = {}
    retention: dict[str, ImageList] = {}
    retrieval: dict[str, ImageList] = {}
    # Where images with captions are learned from, others are a test set like any.
    learns_pairs = isinstance(recipe.data.train, PairsSource)
    for name, spec in specs.items():
        if spec.of is not None and spec.of in evals:
            evals[name] = evals[spec.of].with_shift(Shift(spec.shift or "", spec.severity or 0))
        elif spec.held_out is not None and name in tests:
            evals[name] = tests[name]
        elif spec.source is not None and spec.source.retention:
            retention[name] = sources[name]
        elif isinstance(spec.source, RetrievalSource) and not learns_pairs:
            retrieval[name] = sources[name]
        elif spec.source is not None:
            evals[name] = sources[name]
            if not has_pairs(fit.train):  # then classes are named by the text encoder
                check_alike(fit.train, evals[name], name)
                evals[name].targets(fit.class_names)
    unknown = recipe.uncertainty.unknown
    data = RunData(
        fit,
        evals,
        {name: spec for name, spec in specs.items() if name in evals},
        retention,
        retrieval,
        None if unknown is None else unknown.read_unlabelled(),
        quarantined,
        [*_model_notes(recipe), *notes, *fit.notes, *_source_notes(fit, evals)],
    )
    _check_content(data, pool)
    return data


def read_sources(recipe: Recipe) -> tuple[dict[str, ImageList], list[str]]:
    """Every image a recipe names, by set, less those that it excludes; none is decoded.

    Args:
        recipe: Its `train` is what val is taken from too, unless val has a source of its own.

    Returns:
        `train`, `val` if it has a source, and the evals that have one, retention sets included;
        and what the list of excluded images gives to note.

    Raises:
        DataError: When a source or the list cannot be read, or nothing is left of a source.
    """
    section = recipe.data
    named = {"train": section.train, "val": section.val}
    sources = {
        name: source.read(section.classes, name)
        for name, source in named.items()
        if isinstance(source, Source)
    }
    for spec in expand_evals(recipe):
        if spec.source is not None:
            words = spec.source.classes if spec.source.retention else section.classes
            sources[spec.name] = spec.source.read(words, "test")
    if section.exclude is None:
        return sources, []
    return exclude(sources, read_exclusions(section.exclude), section.exclude)


def fit_data(
    recipe: Recipe, pool: list[ImageList]
) -> tuple[ImageData, dict[str, ImageList], list[ImageList]]:
    """Train and val, and the test sets that are set aside from the training images.

    Args:
        recipe: Says how.
        pool: All images of the source of train and, if val has one of its own, of that of val.

    Returns:
        Train and val, the test sets by name, and the pool without them.
    """
    sources = [source for source in (recipe.data.train, recipe.data.val) if _is_source(source)]
    pool = [with_groups(part, source.group) for part, source in zip(pool, sources, strict=True)]
    tests, notes = {}, []
    for spec in expand_evals(recipe):
        if spec.held_out is not None:
            pool[0], test, note = set_aside(pool[0], spec.held_out, spec.name)
            notes.append(note)
            if test is not None:
                tests[spec.name] = replace(test, notes=[])
    fit = _train_and_val(recipe, pool)
    fit.notes[:0] = notes
    return fit, tests, pool


def _is_source(section: Holdout | Source) -> TypeGuard[Source]:
    return isinstance(section, Source)


def fold_count(recipe: Recipe, fit: ImageData) -> int:
    """Number of folds of the cross-validation; 0 when there are validation images."""
    val = recipe.data.val
    if fit.val is not None or not isinstance(val, Holdout):
        return 0
    return automatic_folds(fit.train) if val.folds == "auto" else int(val.folds or 0)


def _train_and_val(recipe: Recipe, pool: list[ImageList]) -> ImageData:
    train, val, seed = recipe.data.train, recipe.data.val, recipe.seed
    if isinstance(val, Source):
        own = draw(pool[1], val.shots, val.fraction, seed)
        return ImageData.build(pool[0], None, train.shots, seed, own, fraction=train.fraction)
    if val.by is None:
        part = val.held_out
        # A soup is scored on val images, so that it needs some.
        several = recipe.ensemble.models.count > 1
        if val.folds == "auto" and (several or not automatic_folds(pool[0])):
            part = FIFTH
        fit = ImageData.build(
            pool[0], part, train.shots, seed, split_seed=val.seed, fraction=train.fraction
        )
        if count := fold_count(recipe, fit):
            fit.notes += fit.fold_notes(count, seed if val.seed is None else val.seed)
            if val.folds == "auto":
                fit.notes.append(
                    f"val: {plural(len(fit.train), 'image')} are few, so choices are made by "
                    f"cross-validation on all of them ({count} folds)"
                )
        return fit
    if val.by == "stored":
        if train.shots is not None or train.fraction is not None:
            given = f"{train.shots or train.fraction}"
            advice = "remove shots and fraction, the file says which images were drawn"
            raise RecipeError(f"data.train - sampled, and a stored split - {given} - {advice}")
        rest, held, notes = stored_split(val.file or "", pool[0], val.allow_changes)
    elif val.by == "date":
        rest, held, notes = split_by_date(pool[0], val.column or "", val.held_out or 0)
    else:
        rest, held, notes = split_by_value(pool[0], val.value or "")
    fit = ImageData.build(rest, None, train.shots, seed, held, fraction=train.fraction)
    fit.notes[:0] = notes
    return fit


def _model_notes(recipe: Recipe) -> list[str]:
    """Say that the embedded model is weak on photos, where it is given any."""
    drawn = recipe.data.train.kind.startswith("embedded") or recipe.data.train.kind == "scenes"
    if recipe.model.pretrained != "embedded" or drawn:
        return []
    return [
        f"model: the small {recipe.model.arch} that ships with adapt, trained on icons; for photos "
        "a real CLIP is far better: add model.arch=ViT-B-32 model.pretrained=openai (downloads "
        "600 MB once)"
    ]


def _source_notes(fit: ImageData, evals: dict[str, ImageList]) -> list[str]:
    named = {"train": fit.train} | evals
    return [
        f"{name}: {note}"
        for name, images in named.items()
        if images.shift is None
        for note in images.notes
    ]


def _check_content(data: RunData, pool: list[ImageList]) -> None:
    """Write down which file went where, refuse conflicting labels in train, and name leaks."""
    natural = {name: images for name, images in data.evals.items() if images.shift is None}
    seen = {"train": data.fit.train} | ({"val": data.fit.val} if data.fit.val is not None else {})
    data.manifest = manifest = describe_split(seen | natural | data.retrieval, pool)
    own = seen.keys() | {name for name, spec in data.specs.items() if spec.held_out is not None}
    conflicts = [
        c for c in conflicting_files(manifest) if len({p[2] for p in c.places if p[0] in own}) > 1
    ]
    if conflicts:
        equal = (" = ".join(f"{path} ({label})" for _, path, label in c.places) for c in conflicts)
        raise DataError(
            f"{data.fit.train.root} - the same image in two classes - "
            f"{plural(len(conflicts), 'image')}: {first_few(equal, separator='; ')} - keep each in "
            "one class only, or leave them out: `adapt check --fix` writes a list for data.exclude"
        )
    if leaks := shared_files(manifest):
        equal = (" = ".join(f"{split}/{path}" for split, path, _ in leak.places) for leak in leaks)
        note = (
            f"LEAK: {len(leaks)} images are in train or val and in a test set, so test scores are "
            f"too high: {first_few(equal, separator='; ')}"
        )
        data.notes.insert(0, note)
