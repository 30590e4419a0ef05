"""A run on images with captions: training, alpha and guard on held-out pairs, retrieval."""

from functools import partial
from typing import Any

from adapt.common.files import write_json
from adapt.common.words import first_few
from adapt.data.labels.classes import ClassName, read_classes
from adapt.data.sources.captions.pairs import captions_of, has_pairs
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.candidates import Candidate, decide
from adapt.ensembling.choose import choose_alpha
from adapt.ensembling.guard import guard
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.line import Line, mix, refresh_of
from adapt.ensembling.pairs import HELD_OUT_PAIRS, PairLine, PairSplit
from adapt.ensembling.retention import zero_shot_on
from adapt.ensembling.settings import MIXED
from adapt.ensembling.wise_ft import Curve, drawn_points, rule_table
from adapt.errors import DataError
from adapt.evaluation.evaluate import metrics
from adapt.models.building.timm_images import has_text
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.models.heads import cut_captions
from adapt.models.templates import class_prompts, resolve_templates
from adapt.recipe.data import RunData
from adapt.recipe.load import Loaded
from adapt.recipe.schema import Recipe
from adapt.runs.fit import remove_checkpoints
from adapt.runs.folder.answers import PAIRS
from adapt.runs.folder.files import skipped_steps
from adapt.runs.folder.ledger import eval_hashes, open_tests
from adapt.runs.folder.shipped import save_shipped
from adapt.runs.folder.stages import SCORES, Stages
from adapt.runs.folder.timing import write_timing
from adapt.runs.measures.pairs import (
    pair_scores,
    pairs_card,
    ranks_of,
    score_classes,
    score_pairs,
)
from adapt.runs.measures.scores import ADAPTED, ENSEMBLE, START, changed_parameters
from adapt.runs.micro_batch import fitted
from adapt.runs.selection import Choice, alphas_of
from adapt.runs.steps import Run, begin_with, fit_method, write_reports
from adapt.runs.summary import titled
from adapt.training.context import Context


def run_pairs(
    loaded: Loaded,
    name: str,
    data: RunData,
    context: Context,
    stages: Stages,
    say: Any,
    began: float,
) -> Run:
    """Train on pairs, choose on held-out pairs, score retrieval, write report and bundle.

    Args:
        loaded: The recipe.
        name: Of the run.
        data: Pairs to learn from and to choose on; evals of pairs, or of classes.
        context: Of the run, with its folder.
        stages: What is finished.
        say: Tells how far the run is.
        began: When it began, by the monotonic clock.

    Raises:
        DataError: When nothing is held out.
    """
    recipe, folder, runtime = loaded.recipe, context.folder, context.runtime
    assert folder is not None
    if data.fit.val is None:
        raise DataError("data.val - nothing is held out - no val pairs - give a `val` section")
    start = begin_with(recipe, data, context, say).classifier
    if note := cut_note(start, data.fit.train):
        data.notes.append(note)
        say(f"note: {note}")
    loaded = fitted(loaded, start, context.tell)
    tuned = fit_method(loaded, start, data, context, say)
    refresh = refresh_of(recipe.ensemble.batch_norm, start, data.fit.train, runtime)
    line = PairLine(
        Line(start, tuned, runtime, context.store, refresh, stages), runtime, context.store, stages
    )
    val = PairSplit.read("val", data.fit.val, start, runtime)
    choice = choose_on_pairs(recipe, line, val.held_out())
    shipped = choice.shipped
    say(f"alpha {shipped.alpha:g}: {shipped.guard.reason}")
    save = partial(tuned.save, folder / "adapted", {"recipe": loaded.resolved, "alpha": 1.0})
    stages.saved("adapted", weights_hash(tuned.state_dict()), folder / "adapted", save)
    model = mix(start, tuned, shipped.alpha, refresh=refresh).with_temperature(shipped.temperature)

    sets = data.evals | data.retrieval
    hashes = eval_hashes(data.manifest, sets)
    opened = open_tests(folder, hashes, "scores of the run", stages.identity())
    splits = [
        PairSplit.read(key, images, start, runtime)
        for key, images in sets.items()
        if has_pairs(images)
    ]
    scores = score_pairs(line, shipped.alpha, [val, *splits], recipe.evaluation.interval)
    models = {START: start, ADAPTED: tuned, ENSEMBLE: model}
    for key, own in score_classes(models, data, recipe.model.templates, runtime).items():
        scores[key] |= own
    _write_curve(recipe, line, choice, [val, *splits], context)
    model = _with_classes(model, recipe, data)
    content = _summary(loaded, data, choice, model) | {
        "models": scores,
        "name": name,
        "trainable": changed_parameters(start, tuned),
        "skipped_steps": skipped_steps(folder),
        "opened": opened,
    }
    write_json(folder / SCORES, content)
    seconds = write_timing(folder, began, stages)
    info = {"recipe": loaded.resolved, "model": ENSEMBLE, "alpha": shipped.alpha}
    info["scores"] = scores[ENSEMBLE]
    save_shipped(folder, model, info, str(data.manifest["hash"]), None, stages)
    say("bundle written; another process loaded it and gave the same probabilities")
    reports = write_reports(recipe, folder, say)
    remove_checkpoints(folder)
    stages.close()
    return Run(folder, content, model, reports, seconds)


def choose_on_pairs(recipe: Recipe, line: PairLine, val: PairSplit) -> Choice:
    """Alpha by the recipe's rule and the contrastive likelihood of held-out pairs, then the guard.

    Args:
        recipe: Names the rule.
        line: From the start to the tuned model.
        val: Held-out pairs, one caption for each image.
    """
    section = recipe.ensemble
    held = line.judge(alphas_of(section), val)
    alpha = 1.0
    if section.kind != "none":
        alpha = choose_alpha(held.evidence(), section.rule, section.alpha)
    names = [str(number) for number in range(len(val.captions))]
    checked = guard(held, alpha, names, what="held-out pairs", start="the start")
    wanted = recipe.calibration.kind == "temperature"
    temperature = held.temperature(checked.alpha_after) if wanted else 1.0
    mixed = Candidate(MIXED, held, checked, temperature)
    return Choice(mixed, None, decide(mixed, None, [MIXED]))


def _write_curve(
    recipe: Recipe, line: PairLine, choice: Choice, splits: list[PairSplit], context: Context
) -> None:
    """`curve.json`: held-out pairs at every point, retrieval at those that the recipe draws."""
    if recipe.ensemble.kind == "none" or context.folder is None:
        return
    held: HeldOut = choice.mixed.held
    alphas, chosen = sorted(held.logits), choice.mixed.alpha
    drawn = drawn_points(alphas, chosen, recipe.report.curve)
    curve = Curve(chosen=chosen, rule=recipe.ensemble.rule, rules=rule_table(held))
    curve.level = held.level_with(chosen)
    for alpha in alphas:
        point: dict[str, Any] = {"alpha": alpha}
        point["pairs"] = metrics(held.logits[alpha], held.targets)
        for split in splits if alpha in drawn else ():
            ranks = ranks_of(line, alpha, split)
            point[split.name] = pair_scores(ranks, recipe.evaluation.interval)
        curve.points.append(point)
    write_json(context.folder / "curve.json", curve.to_dict() | {"task": PAIRS})


def cut_note(start: Classifier, images: ImageList) -> str | None:
    """How many captions of the training images the text encoder does not read to their end."""
    backbone = start.backbone
    if not has_text(backbone.spec.arch):
        return None
    texts = [caption for own in captions_of(images) for caption in own]
    note = cut_captions(backbone, texts)
    return None if note is None else f"train: {note}"


def _with_classes(model: Classifier, recipe: Recipe, data: RunData) -> Classifier:
    """The shipped model with a zero-shot head for the classes that the recipe knows, if any."""
    names: list[ClassName] = []
    sets = {key: images for key, images in data.evals.items() if not has_pairs(images)}
    if recipe.data.classes is not None:
        names, where = list(read_classes(recipe.data.classes).values()), recipe.data.classes
    elif sets:
        where, images = next(iter(sets.items()))
        names = [images.classes[key] for key in images.class_names]
    if len(names) < 2:
        data.notes.append(
            "the model in the bundle answers no classes: it is for searching and embedding; name "
            "classes in `data.classes` to give it a zero-shot head"
        )
        return model
    keys = [name.key for name in names]
    data.notes.append(f"the model in the bundle answers {first_few(keys)} ({where}), zero-shot")
    prompts = class_prompts(names, resolve_templates(list(recipe.model.templates)))
    return zero_shot_on(model, keys, prompts)


def _summary(loaded: Loaded, data: RunData, choice: Choice, model: Classifier) -> dict[str, Any]:
    """Settings and choices of a run, as `adapt.runs.summary.summary` has them."""
    recipe, shipped = loaded.recipe, choice.shipped
    mixing = recipe.ensemble.kind != "none"
    return {
        "format": 1,
        "task": PAIRS,
        "recipe": loaded.recipe_name,
        **titled(loaded),
        "method": recipe.method["name"],
        "model": {"arch": recipe.model.arch, "pretrained": recipe.model.pretrained},
        "seed": recipe.seed,
        "classes": model.class_names,
        "shipped": ENSEMBLE,
        "ship": choice.to_dict(recipe.ship, 0) | {"too_small": None, "most": HELD_OUT_PAIRS},
        "alpha": shipped.alpha,
        "selected_on": "val" if mixing else None,
        "alpha_rule": recipe.ensemble.rule if mixing else None,
        "guard": shipped.guard.to_dict(),
        "temperature": shipped.temperature,
        "data": {**pairs_card(data), "folds": 0},
        "quarantined": [{"path": q.path, "reason": q.reason} for q in data.quarantined],
        "notes": data.notes,
    }
