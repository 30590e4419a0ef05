"""Image encoders of timm beside the model of a run: `towers.json`."""

from dataclasses import replace
from typing import Any

from adapt.common.files import write_json
from adapt.common.progress import track
from adapt.data.image_data import ImageData
from adapt.evaluation.evaluate import evaluate
from adapt.methods.base import Method
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.models.classifier import Classifier
from adapt.models.settings import ImageTower
from adapt.models.towers.timm_tower import image_classifier, load_tower
from adapt.recipe.data import RunData
from adapt.recipe.schema import Recipe
from adapt.runs.measures.scores import ADAPTED, PROBE
from adapt.training.context import Context

FILE = "towers.json"


def write_towers(recipe: Recipe, method: Method, data: RunData, context: Context) -> None:
    """Fit a probe on each image encoder of `model.beside`, tune it if the method can, and score.

    What is fitted sees train and val as the run's own model does; nothing of it ships.

    Args:
        recipe: Names the encoders.
        method: Of the run; used where it needs no text encoder.
        data: Images of the run.
        context: Of the run; its folder gets `towers.json`.
    """
    if not recipe.model.beside or context.folder is None:
        return
    sets = ({"val": data.fit.val} if data.fit.val is not None else {}) | data.evals
    towers: list[dict[str, Any]] = []
    for number, tower in enumerate(track(recipe.model.beside, "other image encoders")):
        own = replace(context, folder=context.folder / "towers" / str(number))

        def scored(tower: ImageTower = tower, own: Context = own) -> dict[str, Any]:
            models = models_of(tower, recipe, method, data, own)
            return evaluate(models, sets, context.runtime, recipe.evaluation.interval)

        about = [vars(tower), recipe.seed]
        models = context.stages.content(f"tower-{number}", about, scored)
        towers.append({"arch": tower.arch, "pretrained": tower.pretrained, "models": models})
    write_json(context.folder / FILE, {"format": 1, "method": recipe.method, "towers": towers})


def models_of(
    tower: ImageTower, recipe: Recipe, method: Method, data: RunData, context: Context
) -> dict[str, Classifier]:
    """The linear probe on a frozen encoder, and what the method makes of it from there.

    Args:
        tower: The image encoder.
        recipe: Names seed and method.
        method: Of the run.
        data: Images of the run.
        context: Of this encoder alone.
    """
    names = [data.fit.train.classes[key] for key in data.fit.class_names]
    backbone = load_tower(tower.arch, tower.pretrained, recipe.seed, tower.image_size)
    start = image_classifier(backbone, names)
    probe = LinearProbe().fit(start, ImageData(data.fit.train), replace(context, folder=None))
    models = {PROBE: probe}
    if getattr(method, "without_text", False) and recipe.method["name"] != PROBE:
        models[ADAPTED] = method.fit(probe, data.fit, context)
    return models
