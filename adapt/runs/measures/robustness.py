"""The robustness of a run: `robustness.json`."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from adapt.common.arrays import BoolArray
from adapt.common.content import content_hashes
from adapt.common.files import write_json
from adapt.ensembling.line import Refresh
from adapt.ensembling.retention import Retention, retention, retention_prompts
from adapt.errors import DataError, did_you_mean
from adapt.evaluation.evaluate import Split
from adapt.evaluation.metrics.intervals import WILSON
from adapt.evaluation.metrics.masking import Masked, mask_absent, match_classes, right
from adapt.evaluation.robustness.groups import (
    GroupTable,
    check_group_columns,
    group_columns,
    group_table,
)
from adapt.evaluation.robustness.reference_models import (
    ReferenceModel,
    read_reference_models,
    shipped_reference_models,
)
from adapt.evaluation.robustness.shifts import corruption_error, flip_rate, shift_robustness
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.recipe.schema import Eval, Recipe
from adapt.runs.folder.ledger import eval_hashes
from adapt.runs.measures.scores import START, Outputs, id_eval
from adapt.training.context import Context

ONE_SHOWN = "the shift has images of one class only, so there is nothing to choose from"

ByModel = Mapping[str, Mapping[str, np.ndarray]]


def robustness_of(
    logits: ByModel,
    splits: Sequence[Split],
    specs: Mapping[str, Eval],
    shipped: str,
    id_name: str | None,
    references: Sequence[ReferenceModel] = (),
    columns: Sequence[str] | None = None,
    interval: str = WILSON,
) -> dict[str, Any]:
    """All measures of robustness of a run.

    An eval that lacks classes is scored on the classes that it has, and compared with the
    in-distribution images of these. Flips and shifts cover all evals, groups only natural ones: a
    corruption repeats the images of another eval.

    Args:
        logits: Of every model on every split, shape (N, K), by model and split; `zero_shot` and
            `shipped` among the models.
        splits: Every set that was scored, which may include val.
        specs: The evals by name.
        shipped: Name of the model that is shipped.
        id_name: Name of the in-distribution split. With None no shift can be compared.
        references: Models from elsewhere to fit the line on. The models of the run are not among
            them: all come from one start, and the line is to say what is usual without it.
        columns: Metadata columns to group by; None takes those with few values.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        The content of `robustness.json`, without the retention sets.

    Raises:
        DataError: When there is no split named `id_name`, or logits do not fit the targets.
    """
    by_name = {split.name: split for split in splits}
    if id_name is not None and id_name not in by_name:
        raise DataError(
            f"id - no such set - {id_name!r}{did_you_mean(id_name, by_name)} - choose one of "
            f"{', '.join(by_name) or 'none'}"
        )
    evals = [split for split in splits if split.name in specs]
    masked = {
        model: {split.name: mask_absent(own[split.name], split.targets) for split in evals}
        for model, own in logits.items()
    }
    answers = {
        model: {split.name: right(own[split.name].logits, split.targets) for split in evals}
        for model, own in masked.items()
    }
    shifts = {}
    for split in evals:
        if id_name is not None and split.name != id_name:
            ood_right = {model: own[split.name] for model, own in answers.items()}
            paired = specs[split.name].of == id_name
            shifts[split.name] = _shift(
                logits, by_name[id_name], split, ood_right, references, paired, interval
            )
    return {
        "format": 1,
        "id": id_name,
        "shifts": shifts,
        "corruption_error": _corruption_error(answers, specs),
        "flips": _flips(masked, evals, shipped, interval),
        "groups": _groups(answers, evals, specs, shipped, columns, interval),
    }


def _shift(
    logits: ByModel,
    id_split: Split,
    split: Split,
    ood_right: Mapping[str, BoolArray],
    references: Sequence[ReferenceModel],
    paired: bool,
    interval: str,
) -> dict[str, Any]:
    """One shift, compared with the in-distribution images of its classes."""
    present, known = np.unique(split.targets), logits[START][split.name].shape[1]
    lacks = len(present) < known
    classes = len(present) if lacks else None
    if len(present) < 2:
        return {"classes": classes, "fit": None, "reason": ONE_SHOWN, "models": {}}
    id_right: dict[str, BoolArray] = {}
    for model, own in logits.items():
        matched, targets = match_classes(own[id_split.name], id_split.targets, present)
        if not len(targets):
            reason = f"{id_split.name} has no image of the classes of {split.name}"
            return {"classes": classes, "fit": None, "reason": reason, "models": {}}
        id_right[model] = right(matched, targets)
    others = [model.point(split.name, lacks) for model in references]
    points = [point for point in others if point is not None]
    shift = shift_robustness(id_right, ood_right, points, START, paired, interval)
    return {"classes": classes, **shift, "references": points if shift["fit"] else []}


def _corruption_error(
    answers: Mapping[str, Mapping[str, BoolArray]], specs: Mapping[str, Eval]
) -> dict[str, Any]:
    accuracies = {
        model: {name: float(values.mean()) for name, values in own.items()}
        for model, own in answers.items()
    }
    kinds = {
        name: spec.shift for name, spec in specs.items() if spec.shift and name in answers[START]
    }
    return dict(corruption_error(kinds, accuracies, START))


def _flips(
    masked: Mapping[str, Mapping[str, Masked]], evals: Sequence[Split], shipped: str, interval: str
) -> dict[str, Any]:
    before, after = masked[START], masked[shipped]
    return {
        split.name: flip_rate(
            before[split.name].logits, after[split.name].logits, split.targets, interval
        )
        for split in evals
    }


def _groups(
    answers: Mapping[str, Mapping[str, BoolArray]],
    evals: Sequence[Split],
    specs: Mapping[str, Eval],
    shipped: str,
    columns: Sequence[str] | None,
    interval: str,
) -> dict[str, dict[str, GroupTable]]:
    by_eval = {}
    for split in evals:
        after, before = answers[shipped][split.name], answers[START][split.name]
        tables = {
            column: group_table(values, after, before, interval)
            for column, values in group_columns(split.images, columns).items()
            if any(values)
        }
        if tables and specs[split.name].of is None:
            by_eval[split.name] = tables
    return by_eval


def check_measures(recipe: Recipe, data: RunData) -> None:
    """Find errors in the settings of the measures before anything is trained.

    Raises:
        DataError: When no eval has a column, the reference models cannot be read, or the classes of
            a retention set have no names.
    """
    for images in data.retention.values():
        retention_prompts(images, recipe.model.templates)
    section = recipe.robustness
    if section.groups:
        check_group_columns(section.groups, data.evals)
    if section.reference:
        read_reference_models(section.reference, list(data.evals))


def write_robustness(
    context: Context,
    recipe: Recipe,
    data: RunData,
    models: tuple[Classifier, Classifier, Classifier],
    outputs: Outputs,
    splits: Sequence[Split],
    alphas: Sequence[float],
    refresh: Refresh,
) -> None:
    """Write `robustness.json`.

    Args:
        context: Has the run folder, and keeps what retention came to.
        recipe: Names groups, reference models and templates.
        data: Evals and retention sets.
        models: Start, tuned and shipped model.
        outputs: Logits of every model.
        splits: The evals as pixels.
        alphas: Points of the forgetting curve.
        refresh: See `adapt.ensembling.line.mix`.
    """
    start, tuned, shipped = models
    section, runtime = recipe.robustness, recipe.runtime
    weights = [weights_hash(model.state_dict()) for model in (tuned, shipped) if data.retention]
    kept: dict[str, Retention] = {}
    for name, images in data.retention.items():
        about = [name, content_hashes(images.paths), images.labels, *weights, list(alphas)]
        given = images, recipe.model.templates, alphas, runtime, refresh
        compute = partial(retention, start, tuned, shipped, *given)
        kept[name] = context.stages.content("retention", about, compute)
    if section.reference:
        references = read_reference_models(section.reference, list(data.evals))
    else:
        hashes = eval_hashes(data.manifest, data.evals)
        references = shipped_reference_models(hashes, id_eval(data))
    content = robustness_of(
        outputs.logits,
        splits,
        data.specs,
        outputs.shipped,
        id_eval(data),
        references,
        section.groups or None,
        outputs.interval,
    )
    assert context.folder is not None
    write_json(context.folder / "robustness.json", {**content, "retention": kept})
