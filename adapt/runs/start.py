"""The zero-shot model that a recipe starts from: its classes, prompts and weights."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from adapt.data.image_data import ImageData
from adapt.data.labels.classes import ClassName
from adapt.methods.features.prompts import choose_prompts
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.building.timm_images import has_text, of_timm
from adapt.models.classifier import Classifier
from adapt.models.heads import KeepTensor, computed
from adapt.models.prediction.labelling import SeveralLabels
from adapt.models.prompts.columns import beside_templates
from adapt.models.prompts.sentences import with_sentences
from adapt.models.settings import NEGATIONS, Prompts
from adapt.models.templates import resolve_templates
from adapt.models.towers.timm_tower import image_classifier, load_tower, named_classifier
from adapt.recipe.data import fold_count
from adapt.recipe.schema import Recipe
from adapt.training.context import Context
from adapt.training.features.store import store_of
from adapt.training.runtime import inference_device

PROMPTS_FILE = "prompts.json"
NO_ZERO_SHOT = (
    "Zero-shot is not measured: no text tower. Where the run starts (alpha 0), and what the guard "
    "and all differences compare with, is a linear probe on the frozen features, fitted on the "
    "training images"
)


@dataclass
class Start:
    """Where a run starts."""

    classifier: Classifier
    """With the prompts that the recipe asks for."""
    unsearched: Classifier
    """The same, its prompts not chosen by the labels of training images: where fits on a part of
    these begin."""
    prompts: dict[str, Any] | None = None
    """What `prompts.json` holds, where the recipe says anything about prompts."""
    notes: list[str] = field(default_factory=list)
    """What was chosen, one sentence each."""


def classes_of(recipe: Recipe, data: ImageData) -> list[ClassName]:
    """The classes with their words, and with the sentences of `model.prompts.file`.

    Raises:
        DataError: See `with_sentences`.
    """
    names, file = [data.train.classes[key] for key in data.class_names], recipe.model.prompts.file
    return names if file is None else with_sentences(names, file)


def zero_shot_of(
    recipe: Recipe,
    names: list[ClassName],
    device: str | torch.device = "cpu",
    keep: KeepTensor = computed,
) -> Classifier:
    """The zero-shot model in which all prompts of a class count the same.

    Without a text encoder no class can be named: the head is of zeros.

    Args:
        recipe: Names model, templates and seed.
        names: The classes; see `classes_of`.
        device: See `Classifier.from_clip`.
        keep: See `Classifier.from_clip`.

    Raises:
        RecipeError: When sentences are asked for beside templates and there are none.
    """
    model = recipe.model
    if model.prompts.beside_templates:
        names = beside_templates(names, resolve_templates(model.templates))
    if of_timm(model.arch):
        backbone = load_tower(
            model.arch, model.pretrained, recipe.seed, model.image_size, model.text
        )
        if model.text is None:
            return image_classifier(backbone, names)
        return named_classifier(backbone, names, model.templates)
    made = Classifier.from_clip(
        model.arch, model.pretrained, names, model.templates, recipe.seed, device, keep
    )
    if not recipe.data.train.several_labels:
        return made
    return with_negations(made, names, list(model.negations or NEGATIONS), device)


def with_negations(
    start: Classifier,
    names: list[ClassName],
    templates: list[str],
    device: str | torch.device = "cpu",
) -> Classifier:
    """A zero-shot model for several labels per image: each class against its absence.

    Args:
        start: With one label; its head is replaced.
        names: The classes.
        templates: Sentences that say that a class is absent; names of sets are not among them.
        device: Where texts are encoded.
    """
    labelling = SeveralLabels([[t.replace("{}", name.words) for t in templates] for name in names])
    several = start.with_labelling(labelling)
    return several.to(device).rebuild_head().to("cpu")


def start_of_recipe(recipe: Recipe, data: ImageData, context: Context) -> Start:
    """The zero-shot model of a recipe, its prompts chosen on the training images if it says so.

    Args:
        recipe: Names model, templates and what is done with prompts.
        data: Training images, whose classes these are.
        context: Device, seed, and what keeps features and heads.

    Raises:
        DataError: See `with_sentences`.
        RecipeError: When there is nothing to weigh.
    """
    section, names = recipe.model.prompts, classes_of(recipe, data)
    place, keep = inference_device(recipe.runtime), store_of(context).kept
    start = zero_shot_of(recipe, names, place, keep)
    if not has_text(start.backbone.spec.arch):
        probe = LinearProbe().fit(start, ImageData(data.train), replace(context, folder=None))
        return Start(probe, probe, notes=[NO_ZERO_SHOT])
    if section == Prompts():
        return Start(start, start)
    given = names, recipe.model.templates, section, data.train, context
    chosen, choice = choose_prompts(start, *given)
    notes = [] if choice is None else choice.sentences()
    if choice is not None and chosen is not start and choice.searched and fold_count(recipe, data):
        notes.append(
            "prompts: they were searched on all training images, also on those that a fold holds "
            "out, so zero-shot may look better in the choice of alpha than it is"
        )
    about = {
        "format": 1,
        "file": section.file,
        "beside_templates": section.beside_templates,
        "weights": section.weights,
        "prompts": sum(map(len, chosen.prompts)),
        "choice": None if choice is None else choice.to_dict(),
    }
    return Start(chosen, start if section.search else chosen, about, notes)
