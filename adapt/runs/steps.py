"""Steps that runs of every kind take: read the images, start, train, save what ships."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from adapt.checks.quick import ImageHashes, QuickCheck, quick_check
from adapt.common.cache import cache_folder
from adapt.common.files import write_json, write_text
from adapt.common.words import plural
from adapt.data.sources.captions.pairs import has_pairs
from adapt.data.splits.stored import Manifest
from adapt.models.building.timm_images import has_text, of_timm
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, build_data
from adapt.recipe.load import Loaded
from adapt.recipe.schema import Recipe
from adapt.report import write_report
from adapt.runs.fit import check_weight_names, fit
from adapt.runs.folder.files import environment, skipped_steps, training_log
from adapt.runs.folder.resume import Resume, compare, compare_images, record, settled
from adapt.runs.folder.stages import Stages
from adapt.runs.folder.timing import FIT
from adapt.runs.measures.augmentation_sheet import write_views
from adapt.runs.start import PROMPTS_FILE, Start, start_of_recipe
from adapt.training.context import Context
from adapt.training.features.store import FeatureStore


@dataclass
class Run:
    """What a run made."""

    folder: Path
    scores: dict[str, Any]
    classifier: Classifier
    reports: list[Path] = field(default_factory=list)
    """Of the formats that the recipe asks for."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long the training (`fit`) and everything (`total`) took."""


def context_of(
    recipe: Recipe, folder: Path, resume: Resume | None, quiet: bool, tell: Callable[[str], None]
) -> Context:
    """What methods are told of a run.

    Args:
        recipe: Names devices, seed and augmentation.
        folder: Of the run.
        resume: How the run goes on; None where it begins.
        quiet: Write nothing to standard error.
        tell: Takes what is worth knowing.
    """
    data = recipe.data
    return Context(
        recipe.runtime,
        recipe.seed,
        data.augmentation,
        folder,
        resume is not None,
        resume is not None and resume.from_previous,
        quiet,
        data.balance,
        FeatureStore(cache_folder("features")),
        tell,
    )


def stages_of(loaded: Loaded, folder: Path, data: RunData) -> Stages:
    """What keeps finished stages: they hold for these settings, these images and this code."""
    now = environment(loaded.recipe.runtime, loaded.recipe.seed)
    about = {
        "recipe": settled(loaded.resolved),
        "images": data.manifest["hash"],
        "code": [now["adapt"], now["code"], now["packages"]],
    }
    return Stages(folder, about, data.notes)


def begin(loaded: Loaded, folder: Path, resume: Resume | None) -> Callable[[Manifest], list[str]]:
    """Write down what is run, where and with what; at a resume only once nothing forbids it.

    Returns:
        What checks the images; it returns what has changed since the run began.
    """
    now = environment(loaded.recipe.runtime, loaded.recipe.seed)
    resume = resume if (folder / "recipe.yaml").is_file() else None
    changes = [] if resume is None else compare(folder, loaded.resolved, now)

    def write(more: list[str]) -> list[str]:
        record(folder, now, [*changes, *more], resume is not None)
        write_text(folder / "recipe.yaml", loaded.text())  # last: it says that a run has begun
        return [*changes, *more]

    if resume is None:
        write([])
        return lambda _: []
    accept = resume.accept_changed_data
    return lambda manifest: write(compare_images(folder, manifest, accept))


def begin_with(
    recipe: Recipe, data: RunData, context: Context, say: Callable[[str], None]
) -> Start:
    """The zero-shot model; the folder gets what was chosen of its prompts."""
    words = "zero-shot"
    if of_timm(recipe.model.arch):
        words = "start" if recipe.model.text else "linear probe on frozen features"
    say(f"{words}: {recipe.model.arch} ({recipe.model.pretrained})")
    start = start_of_recipe(recipe, data.fit, context)
    if start.prompts is not None and context.folder is not None:
        write_json(context.folder / PROMPTS_FILE, start.prompts)
    for note in start.notes:
        context.tell(note)
    return start


def fit_method(
    loaded: Loaded, start: Classifier, data: RunData, context: Context, say: Callable[[str], None]
) -> Classifier:
    """The adapted model; the folder gets a sheet of training views and the training log."""
    say(f"method: {loaded.recipe.method['name']}")
    assert context.folder is not None
    check_weight_names(loaded.method, data.fit.class_names)
    preprocessing = start.backbone.preprocessing
    for note in write_views(context.folder, loaded.method, data.fit, preprocessing, context):
        context.tell(note)
    fitted = partial(fit, loaded.method, start, data.fit, context, loaded.recipe.ensemble)
    tuned: Classifier = context.stages.classifier(FIT, None, start, fitted)
    training_log(context.folder)
    if skipped := skipped_steps(context.folder):
        context.tell(f"training left out {skipped} steps whose loss or gradient was not finite")
    return tuned


def read_images(
    loaded: Loaded,
    folder: Path,
    say: Callable[[str], None],
    checked: Callable[[Manifest], list[str]],
) -> tuple[RunData, QuickCheck]:
    """All images of a recipe, checked; the folder gets `split.json` and `check.json`.

    Args:
        loaded: The recipe.
        folder: Of the run.
        say: Tells how far the run is.
        checked: From `begin`.

    Raises:
        DataError: See `adapt.recipe.data.build_data`.
    """
    say("reading images")
    hashes = ImageHashes()
    data = build_data(loaded.recipe, hashes.add)
    data.notes[:0] = loaded.notes
    changes = checked(data.manifest)  # before it is written again
    write_json(folder / "split.json", data.manifest)
    quick = quick_check(data, hashes, str(folder / "recipe.yaml"))
    quick.write(folder)
    data.notes[:0] = [*changes, *quick.notes]
    for note in data.notes:
        say(f"note: {note}")
    counts = f"{len(data.fit.train)} train, {len(data.fit.val or [])} val images"
    classes = "" if has_pairs(data.fit.train) else f"{plural(len(data.fit.class_names), 'class')}, "
    sets = f"{classes}{plural(len(data.evals), 'eval')}"
    say(f"{counts}, {sets}, split {data.manifest['hash'][:12]}")
    return data, quick


def write_reports(recipe: Recipe, folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Write the reports that a recipe asks for, from the files of the folder."""
    formats = recipe.report.formats
    reports = write_report(folder, formats)[: len(formats)] if formats else []
    for path in reports:
        say(f"wrote {path}")
    return reports


def start_facts(start: Classifier) -> dict[str, str]:
    """What `scores.json` says of a start that is not zero-shot; nothing where it is."""
    return {} if has_text(start.backbone.spec.arch) else {"start": "linear_probe"}
