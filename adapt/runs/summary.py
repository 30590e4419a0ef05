"""What a run measures, and what `scores.json` holds: nothing that depends on the clock."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.checks.quick import QuickCheck
from adapt.common.files import write_json
from adapt.ensembling.line import Refresh
from adapt.evaluation.evaluate import Split
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import SeveralLabels
from adapt.recipe.data import RunData, fold_count
from adapt.recipe.load import Loaded
from adapt.recipe.shipped import recipe_names
from adapt.runs.folder.answers import write_answers
from adapt.runs.measures.classes import lost_most
from adapt.runs.measures.few_shot import few_shot
from adapt.runs.measures.references import output_references
from adapt.runs.measures.robustness import write_robustness
from adapt.runs.measures.scores import (
    Outputs,
    data_card,
    id_eval,
    leak_free_scores,
    score_outputs,
    write_tables,
)
from adapt.runs.measures.several_labels.label_measures import (
    decisions_of,
    score_labels,
    write_label_table,
)
from adapt.runs.measures.uncertainty import write_uncertainty
from adapt.runs.selection import Choice
from adapt.runs.start import Start
from adapt.training.context import Context


@dataclass
class Finished:
    """What a run has computed when its measures begin; what is chosen is chosen."""

    loaded: Loaded
    data: RunData
    quick: QuickCheck
    context: Context
    refresh: Refresh
    begun: Start
    tuned: Classifier
    shipped: Classifier
    """With its temperature, without thresholds."""
    choice: Choice
    outputs: Outputs
    splits: list[Split]
    """The evals."""
    alphas: list[float]
    """The points of the curve that evals are scored at."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        assert self.context.folder is not None
        return self.context.folder


def titled(loaded: Loaded) -> dict[str, str]:
    """The name that the user gave the run in the recipe; empty where it is a shipped one's."""
    name = loaded.recipe.name
    return {} if name in recipe_names() else {"title": name}


def run_facts(loaded: Loaded, data: RunData, outputs: Outputs, choice: Choice) -> dict[str, Any]:
    """Settings and choices of a run, whatever its labels are."""
    recipe = loaded.recipe
    ensembled, folds = recipe.ensemble.kind != "none", fold_count(recipe, data.fit)
    return {
        "format": 1,
        "recipe": loaded.recipe_name,
        **titled(loaded),
        "method": recipe.method["name"],
        "model": {"arch": recipe.model.arch, "pretrained": recipe.model.pretrained},
        "seed": recipe.seed,
        "classes": outputs.class_names,
        "shipped": outputs.shipped,
        "ship": choice.to_dict(recipe.ship, folds),
        "alpha": choice.shipped.alpha,
        "selected_on": "val" if ensembled else None,
        "alpha_rule": recipe.ensemble.rule if ensembled else None,
        "guard": choice.shipped.guard.to_dict(),
        "temperature": choice.shipped.temperature,
        "data": {**data_card(data, outputs), "folds": folds},
        "quarantined": [{"path": q.path, "reason": q.reason} for q in data.quarantined],
        "notes": data.notes,
    }


def summary(
    loaded: Loaded, data: RunData, quick: QuickCheck, outputs: Outputs, choice: Choice
) -> dict[str, Any]:
    """Settings, choices and scores of a run.

    Args:
        loaded: The recipe.
        data: Images and notes.
        quick: What was found in the images.
        outputs: Logits of every model.
        choice: What was chosen on held-out images.
    """
    ensembled = loaded.recipe.ensemble.kind != "none"
    return run_facts(loaded, data, outputs, choice) | {
        "models": score_outputs(outputs, data),
        "references": output_references(outputs, choice.mixed.held) if ensembled else {},
        "leak_free": leak_free_scores(outputs, quick.leaked),
        "lost_most": {
            split: lost_most(outputs, split)
            for split in ("val", id_eval(data))
            if split in outputs.targets
        },
    }


def measure_one_label(done: Finished) -> tuple[Classifier, dict[str, Any]]:
    """Write tables, robustness, uncertainty, answers and the few-shot protocol.

    Args:
        done: The run so far.

    Returns:
        The shipped model with its thresholds, and what `scores.json` holds.
    """
    outputs, data, recipe = done.outputs, done.data, done.loaded.recipe
    write_tables(done.folder, outputs, data.evals)
    models = done.begun.classifier, done.tuned, done.shipped
    write_robustness(
        done.context, recipe, data, models, outputs, done.splits, done.alphas, done.refresh
    )
    shipped = _with_thresholds(done)
    _write_few_shot(done)
    return shipped, summary(done.loaded, data, done.quick, outputs, done.choice)


def _with_thresholds(done: Finished) -> Classifier:
    """The shipped model with its thresholds; the folder gets their effect, and all its answers."""
    shipped, outputs, data = done.shipped, done.outputs, done.data
    stored = write_uncertainty(
        done.context, done.loaded.recipe, data, shipped, outputs, done.splits
    )
    judge = shipped.class_names, shipped.temperature, stored
    of = {name: spec.of for name, spec in data.specs.items()}
    write_answers(done.folder, judge, outputs.logits[outputs.shipped], data.evals, of)
    return shipped.with_uncertainty(stored)


def _write_few_shot(done: Finished) -> None:
    section, data, start = done.loaded.recipe.few_shot, done.data, done.begun.unsearched
    if section.shots:
        curve = few_shot(section, done.loaded.method, start, data.fit, done.splits, done.context)
        write_json(done.folder / "few_shot.json", curve)


def measure_several_labels(done: Finished) -> tuple[Classifier, dict[str, Any]]:
    """Choose calibration and thresholds on val, and score mAP and F1 of every model.

    Args:
        done: The run so far.

    Returns:
        The shipped model with its calibration and thresholds, and what `scores.json` holds.
    """
    outputs = done.outputs
    decisions = decisions_of(outputs, done.loaded.recipe.calibration.kind == "temperature")
    write_label_table(done.folder, outputs, decisions)
    own = decisions[outputs.shipped]
    labelling = done.shipped.labelling
    assert isinstance(labelling, SeveralLabels)
    offsets, thresholds = own.calibration.offsets, own.thresholds.values.tolist()
    shipped = done.shipped.with_temperature(own.calibration.temperature)
    shipped = shipped.with_labelling(labelling.with_decision(offsets, thresholds))
    scores = run_facts(done.loaded, done.data, outputs, done.choice) | {
        "measure": "mAP",
        "decision": own.to_dict(outputs.class_names),
        "models": score_labels(outputs, decisions),
    }
    return shipped, scores
