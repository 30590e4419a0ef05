"""From a recipe to a run folder: a plain sequence of steps."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from adapt.common.files import write_json
from adapt.common.progress import lines_unless
from adapt.common.typed import resolve_path
from adapt.common.words import plural
from adapt.data.sources.captions.pairs import has_pairs
from adapt.ensembling.candidates import TITLES, Candidate
from adapt.ensembling.line import refresh_of
from adapt.ensembling.wise_ft import drawn_points, sweep
from adapt.errors import Interrupted, RecipeError
from adapt.evaluation.evaluate import Split
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.recipe.load import Loaded, load
from adapt.recipe.schema import Recipe
from adapt.runs.fit import remove_checkpoints
from adapt.runs.folder.files import environment, skipped_steps
from adapt.runs.folder.ledger import eval_hashes, open_tests, read_ledger, write_ledger
from adapt.runs.folder.lock import run_folder
from adapt.runs.folder.log import noting, teller
from adapt.runs.folder.resume import Resume, compare
from adapt.runs.folder.shipped import save_shipped
from adapt.runs.folder.stages import SCORES, is_complete
from adapt.runs.folder.timing import FILE as TIMING
from adapt.runs.folder.timing import write_timing
from adapt.runs.measures.held_out_statistics import held_out_statistics
from adapt.runs.measures.outputs import gather_outputs
from adapt.runs.measures.retrieval import scores_on_captions
from adapt.runs.measures.robustness import check_measures
from adapt.runs.measures.scores import (
    ENSEMBLE,
    MIXED_PROBE,
    Outputs,
    changed_parameters,
)
from adapt.runs.measures.towers import write_towers
from adapt.runs.memory import prepared
from adapt.runs.micro_batch import fitted
from adapt.runs.pairs import run_pairs
from adapt.runs.selection import CandidateLines, Choice, choose, fit_probe
from adapt.runs.space import check_space, space_of
from adapt.runs.steps import (
    Run,
    begin,
    begin_with,
    context_of,
    fit_method,
    read_images,
    stages_of,
    start_facts,
    write_reports,
)
from adapt.runs.summary import Finished, measure_one_label, measure_several_labels
from adapt.training.devices import processes
from adapt.training.runtime import held_on_device
from adapt.training.trainer.loggers import check_loggers

__all__ = ["Run", "run"]


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    resume: bool | Resume = False,
    overwrite: bool = False,
    quiet: bool = True,
    photos: str | Path | None = None,
) -> Run:
    """Run a recipe from labelled images to report and bundle.

    Where torchrun or SLURM started several processes, this ends all but the first, after the run.

    Args:
        recipe: Name of a shipped recipe, or path; or photos, for the recipe `one_folder`.
        overrides: `key.path=value` texts; `~key.path` takes a key out.
        out: Run folder, whose name the report carries; `runs/<name>-<time>` if not given.
        resume: Continue from the last checkpoint in `out`; a `Resume` says what may have changed,
            and whether to begin where no run is. A run that is complete is read.
        overwrite: Replace an earlier run in `out`.
        quiet: Write nothing to standard error.
        photos: Folder, table, archive or pattern of shards to train on in place of the recipe's.

    Raises:
        AdaptError: With the exit code of the command line; finished files stay in `out`.
        Interrupted: After Ctrl-C or SIGTERM: a `KeyboardInterrupt` that names the folder.
    """
    going_on = Resume.read(resume)
    if going_on and out is None:
        raise RecipeError("--resume - no folder to go on in - no --out given - add --out FOLDER")
    loaded = load(recipe, overrides, photos=photos)
    check_loggers(loaded.recipe.runtime.loggers or [])
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = resolve_path(out or Path("runs") / f"{loaded.recipe.name}-{stamp}")
    if going_on:
        going_on.check(folder)
    earlier = read_ledger(folder)
    name = loaded.recipe.name if out is None else folder.resolve().name
    with (
        processes(loaded.recipe.runtime),
        run_folder(folder, going_on is not None, overwrite),
        lines_unless(quiet),
        held_on_device(),
    ):
        write_ledger(folder, earlier)
        try:
            if going_on and (done := _complete(loaded, folder, going_on)):
                return done
            return _run(loaded, folder, name, going_on, quiet)
        except KeyboardInterrupt as error:
            raise Interrupted(str(error) or "what was finished is kept", folder) from error


def _complete(loaded: Loaded, folder: Path, resume: Resume) -> Run | None:
    """The run in a folder where nothing is left to be done; None where something is."""
    if not is_complete(folder) or resume.accept_changed_data or resume.from_previous:
        return None
    now = environment(loaded.recipe.runtime, loaded.recipe.seed)
    if compare(folder, loaded.resolved, now) and not resume.auto:
        return None
    scores, timing = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in (SCORES, TIMING)
    )
    reports = [folder / f"report.{kind}" for kind in loaded.recipe.report.formats]
    return Run(
        folder,
        scores,
        Classifier.load(folder / "model"),
        [path for path in reports if path.is_file()],
        {name: timing[name] for name in ("fit", "total")},
    )


def _run(loaded: Loaded, folder: Path, name: str, resume: Resume | None, quiet: bool) -> Run:
    recipe, began = loaded.recipe, time.monotonic()
    runtime, say = recipe.runtime, teller(folder, quiet)
    data, quick = read_images(loaded, folder, say, begin(loaded, folder, resume))
    stages = stages_of(loaded, folder, data)
    context = context_of(recipe, folder, resume, quiet, noting(data.notes, say))
    context.stages, context.recipe = stages, loaded.resolved
    if has_pairs(data.fit.train):
        return run_pairs(loaded, name, data, context, stages, say, began)
    check_measures(recipe, data)
    begun = begin_with(recipe, data, context, say)
    start = begun.classifier
    loaded = fitted(loaded, start, context.tell)
    tuned = prepared(loaded.method, start)
    check_space(space_of(recipe, loaded.method, start, tuned, data), folder)
    refresh = refresh_of(recipe.ensemble.batch_norm, start, data.fit.train, runtime)
    tuned = fit_method(loaded, start, data, context, say)
    probe = fit_probe(recipe, start, data.fit, context)
    lines = CandidateLines.between(start, tuned, probe, context, refresh)
    if probe is not None:
        say("linear probe fitted, for comparison")

    choice = choose(recipe, loaded.method, lines, data.fit, context)
    chosen = choice.shipped
    _say_choice(choice, say)
    shipped = lines.at(chosen).with_temperature(chosen.temperature)
    save = partial(tuned.save, folder / "adapted", {"recipe": loaded.resolved, "alpha": 1.0})
    stages.saved("adapted", weights_hash(tuned.state_dict()), folder / "adapted", save)

    alphas = _alphas_on_evals(recipe, choice.mixed, say)
    _say_few_shot(recipe, say)
    hashes = eval_hashes(data.manifest, data.evals | data.retrieval)
    opened = open_tests(folder, hashes, "scores of the run", stages.identity())
    splits = [Split.read(name, images, start, runtime) for name, images in data.evals.items()]
    outputs = _outputs(folder, recipe, lines, choice, splits, data.fit.class_names)
    said = begun, tuned, shipped
    done = Finished(loaded, data, quick, context, refresh, *said, choice, outputs, splits, alphas)
    measure = measure_several_labels if data.fit.several_labels else measure_one_label
    shipped, scores = measure(done)
    write_towers(recipe, loaded.method, data, context)
    scores |= {
        **start_facts(start),
        "name": name,
        "trainable": changed_parameters(start, tuned),
        "skipped_steps": skipped_steps(folder),
        "opened": opened,
    }
    mixed = partial(lines.at, choice.mixed)
    scores |= scores_on_captions(context, data, (start, tuned), mixed, outputs.interval)
    write_json(folder / SCORES, scores)
    seconds = write_timing(folder, began, stages)
    info = {"recipe": loaded.resolved, "model": outputs.shipped, "alpha": chosen.alpha}
    info["scores"] = scores["models"][outputs.shipped]
    reference = held_out_statistics(context, data, start, shipped, chosen)
    save_shipped(folder, shipped, info, str(data.manifest["hash"]), reference, stages)
    say("bundle written; another process loaded it and gave the same probabilities")
    reports = write_reports(recipe, folder, say)
    remove_checkpoints(folder)
    stages.close()
    return Run(folder, scores, shipped, reports, seconds)


def _say_choice(choice: Choice, say: Callable[[str], None]) -> None:
    say(f"alpha {choice.mixed.alpha:g}: {choice.mixed.guard.reason}")
    say(f"ships {TITLES[choice.decision.name]}: {choice.decision.reason}")


def _alphas_on_evals(recipe: Recipe, mixed: Candidate, say: Callable[[str], None]) -> list[float]:
    """The points of the curve that evals are scored at."""
    alphas = drawn_points(sorted(mixed.held.logits), mixed.alpha, recipe.report.curve)
    # Without a curve, the tables still need the ends and the choice.
    scored = len({0.0, 1.0, mixed.alpha, *alphas})
    visited = plural(len(mixed.held.logits), "point")
    say(f"weight-space curve of the mixed model: {visited} on val, {scored} on the evals")
    return alphas


def _say_few_shot(recipe: Recipe, say: Callable[[str], None]) -> None:
    """Say that the few-shot protocol runs, where it does."""
    section = recipe.few_shot
    if section.shots:
        say(f"few-shot protocol: {section.seeds} draws for each number of images per class")


def _outputs(
    folder: Path,
    recipe: Recipe,
    lines: CandidateLines,
    choice: Choice,
    splits: list[Split],
    class_names: list[str],
) -> Outputs:
    """Logits of all models on val and evals; `curve.json` gets the lines that they lie on."""
    mixing, interval = recipe.ensemble.kind == "wise_ft", recipe.evaluation.interval
    curves = {}
    for each in (choice.mixed, choice.probe):
        if each is not None:
            line, how = lines.of(each), recipe.report.curve
            curves[each.name] = sweep(line, each.held, splits, each.alpha, how, interval)
    for curve in curves.values():
        curve.rule = recipe.ensemble.rule
    if mixing:
        content = curves["mixed"].to_dict()
        if "probe" in curves:
            content["probe"] = curves["probe"].to_dict()
        write_json(folder / "curve.json", content)
    probe = None if choice.probe is None else (choice.probe, curves["probe"])
    outputs = gather_outputs(class_names, splits, (choice.mixed, curves["mixed"]), probe, mixing)
    shipped = ENSEMBLE if choice.shipped is choice.mixed else MIXED_PROBE
    return replace(outputs, interval=interval, shipped=shipped)
