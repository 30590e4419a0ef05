"""The training of a run: one model, or the soup of several that differ in their seed."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.data.loading.balance import check_class_names
from adapt.ensembling.line import refresh_of, same_encoders, scale_by_depth
from adapt.ensembling.settings import Ensemble
from adapt.ensembling.soups import soup
from adapt.ensembling.weights.shared import share_weights
from adapt.errors import DataError
from adapt.methods.base import Method
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim


def fit(
    method: Method, start: Classifier, data: ImageData, context: Context, ensemble: Ensemble
) -> Classifier:
    """Train once, or `ensemble.members` times with consecutive seeds, and average.

    All members start from the same weights, so that their average is a good model too
    (arXiv:2203.05482). The soup is chosen on val; `soup.json` tells what became of each member.
    With `ensemble.shallow` below 1 the change is then scaled by depth. Averaged weights get the
    batch-norm statistics that `ensemble.batch_norm` says.

    Raises:
        DataError: When several members are asked for and there are no val images.
    """
    if ensemble.members > 1:
        tuned = _fit_members(method, start, data, context, ensemble)
    else:
        tuned = method.fit(start, data, context)
    if ensemble.shallow != 1:
        tuned = scale_by_depth(start, tuned, ensemble.shallow)
    averaged = ensemble.members > 1 or ensemble.shallow != 1 or _moving_average(method)
    if not averaged or same_encoders(start, tuned):
        return tuned
    return refresh_of(ensemble.batch_norm, start, data.train, context.runtime)(tuned)


def _moving_average(method: Method) -> bool:
    optim = getattr(method, "optim", None)
    return isinstance(optim, Optim) and optim.ema > 0


def _fit_members(
    method: Method, start: Classifier, data: ImageData, context: Context, ensemble: Ensemble
) -> Classifier:
    if data.val is None:
        raise DataError(
            "data.val - no images - a soup of members is scored on val - give val images"
        )
    refresh = refresh_of(ensemble.batch_norm, start, data.train, context.runtime)
    with models_aside(context) as models:
        members = {}
        for number in range(ensemble.members):
            member = method.fit(start, data, _member_context(context, number))
            file = Path(models, f"{number}.safetensors")
            members[f"seed {context.seed + number}"] = share_weights(member, start, file)
        tuned, report = soup(
            members, data.val, ensemble.soup, start, context.runtime, refresh, data.train
        )
    if context.folder is not None:
        write_json(context.folder / "soup.json", report.to_dict())
    return tuned.with_temperature(1.0)


def models_aside(context: Context) -> "TemporaryDirectory[str]":
    """A folder for the weights of models that are needed for a while; see `share_weights`."""
    if context.folder is not None:
        context.folder.mkdir(parents=True, exist_ok=True)
    # Windows deletes no file that is mapped.
    return TemporaryDirectory(prefix="models-", dir=context.folder, ignore_cleanup_errors=True)


def _member_context(context: Context, number: int) -> Context:
    folder: Path | None = None
    if context.folder is not None:
        folder = context.folder / "members" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
    return replace(context, seed=context.seed + number, folder=folder)


def check_weight_names(method: Any, class_names: list[str], path: str = "method") -> None:
    """Refuse class weights of unknown classes anywhere in the settings of a method.

    Args:
        method: The method, or a section of it.
        class_names: Class keys.
        path: Key path of the section.

    Raises:
        RecipeError: Lists all such names of the first wrong section.
    """
    for field in dataclasses.fields(method):
        value, here = getattr(method, field.name), f"{path}.{field.name}"
        if field.name == "class_weights":
            check_class_names(value, class_names, here)
        elif dataclasses.is_dataclass(value):
            check_weight_names(value, class_names, here)
