"""Robustness and uncertainty of a finished choice: two files of the run folder."""

from collections.abc import Sequence
from pathlib import Path

from adapt.common.files import write_json
from adapt.ensembling.retention import Retention, retention, retention_prompts
from adapt.evaluation.evaluate import Split
from adapt.evaluation.metrics.groups import check_group_columns
from adapt.evaluation.metrics.reference_models import read_reference_models
from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from adapt.recipe.data import RunData
from adapt.recipe.schema import Recipe
from adapt.runs.measures.robustness import robustness_of
from adapt.runs.measures.scores import SHIPPED, Outputs
from adapt.runs.measures.uncertainty import Answers, Unknowns, uncertainty_of
from adapt.training.features.encode import image_features, predict_logits, prepare


def id_eval(data: RunData) -> str | None:
    """The eval that is like the training images: the first that is no corruption of another."""
    natural = [name for name, spec in data.specs.items() if spec.of is None]
    return natural[0] if natural else None


def check_measures(recipe: Recipe, data: RunData) -> None:
    """Find what would stop the measures before anything is trained.

    Raises:
        DataError: When a column is in no eval, the reference models cannot be read, or the classes
            of a retention set have no names.
    """
    for images in data.retention.values():
        retention_prompts(images, recipe.model.templates)
    section = recipe.robustness
    if section.groups:
        check_group_columns(section.groups, data.evals)
    if section.reference:
        read_reference_models(section.reference, list(data.evals))


def write_robustness(
    folder: Path,
    recipe: Recipe,
    data: RunData,
    models: tuple[Classifier, Classifier, Classifier],
    outputs: Outputs,
    splits: Sequence[Split],
    alphas: Sequence[float],
) -> None:
    """Write `robustness.json`.

    Args:
        folder: Run folder.
        recipe: Names groups, reference models and templates.
        data: Evals and retention sets.
        models: Start, tuned and shipped model.
        outputs: Logits of every model.
        splits: The evals, ready.
        alphas: Points of the forgetting curve.
    """
    start, tuned, shipped = models
    section, runtime = recipe.robustness, recipe.runtime
    kept: dict[str, Retention] = {
        name: retention(start, tuned, shipped, images, recipe.model.templates, alphas, runtime)
        for name, images in data.retention.items()
    }
    references = []
    if section.reference:
        references = read_reference_models(section.reference, list(data.evals))
    content = robustness_of(
        outputs.logits,
        splits,
        data.specs,
        SHIPPED,
        id_eval(data),
        references,
        kept,
        section.groups or None,
    )
    write_json(folder / "robustness.json", content)


def write_uncertainty(
    folder: Path,
    recipe: Recipe,
    data: RunData,
    shipped: Classifier,
    outputs: Outputs,
    splits: Sequence[Split],
) -> Uncertainty:
    """Write `uncertainty.json`; returns the thresholds that the bundle gets."""
    answers = {
        name: Answers(outputs.logits[SHIPPED][name], targets)
        for name, targets in outputs.targets.items()
    }
    val = answers.pop("val")
    section, unknowns = recipe.uncertainty, None
    if data.unknown is not None and (known := id_eval(data)) is not None:
        unknowns = _unknowns(data, shipped, recipe, next(s for s in splits if s.name == known))
    content, stored = uncertainty_of(
        val,
        answers,
        outputs.class_names,
        shipped.temperature,
        section.coverage,
        section.level,
        unknowns,
    )
    write_json(folder / "uncertainty.json", content)
    return stored


def _unknowns(data: RunData, shipped: Classifier, recipe: Recipe, known: Split) -> Unknowns:
    runtime, backbone = recipe.runtime, shipped.backbone
    assert data.unknown is not None

    strangers = prepare(data.unknown, backbone.preprocessing, runtime)
    train = prepare(data.fit.train, backbone.preprocessing, runtime)
    return Unknowns(
        "unknown",
        predict_logits(shipped, strangers, runtime),
        known.name,
        features=image_features(backbone, strangers, runtime).numpy(),
        known_features=image_features(backbone, known.pixels, runtime).numpy(),
        train_features=image_features(backbone, train, runtime).numpy(),
    )
