"""The training of a run: one model, or the soup of several that differ in their seed."""

import dataclasses
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapt.common.files import write_json
from adapt.data.image_data import ImageData
from adapt.data.loading.balance import check_class_names
from adapt.ensembling.depth import scale_by_depth
from adapt.ensembling.line import refresh_of, same_encoders
from adapt.ensembling.settings import Ensemble
from adapt.ensembling.soups import soup
from adapt.ensembling.weights.shared import share_weights
from adapt.errors import DataError, RecipeError, RunError
from adapt.methods.base import Method
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim

ON_THE_WAY = "on_the_way"
"""Folder with the weights of checkpoints, in that of their training."""


def fit(
    method: Method, start: Classifier, data: ImageData, context: Context, ensemble: Ensemble
) -> Classifier:
    """Train once or with several consecutive seeds, and average what `ensemble.members` says.

    All members start from the same weights, so that their average is a good model too
    (arXiv:2203.05482); so is that of checkpoints of one training (arXiv:1803.05407), whose weights
    stay in the folder of the context until `remove_checkpoints`, since a resumed run needs them.
    The soup is chosen on val; `soup.json` tells what became of each member.
    With `ensemble.shallow` below 1 the change is then scaled by depth. Averaged weights get the
    batch-norm statistics that `ensemble.batch_norm` says.

    Raises:
        DataError: When several members are asked for and there are no val images.
        RecipeError: When checkpoints are asked for and the method does not train by steps.
    """
    several = ensemble.models.count > 1
    if several:
        tuned = _fit_members(method, start, data, context, ensemble)
    else:
        tuned = method.fit(start, data, context)
    if ensemble.shallow != 1:
        tuned = scale_by_depth(start, tuned, ensemble.shallow)
    averaged = several or ensemble.shallow != 1 or _moving_average(method)
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
    wanted = ensemble.models
    if wanted.checkpoints > 1 and not isinstance(getattr(method, "optim", None), Optim):
        raise RecipeError(
            f"ensemble.members.checkpoints - has no effect on this method - {wanted.checkpoints} - "
            "remove it, or choose a method with settings named `optim`"
        )
    refresh = refresh_of(ensemble.batch_norm, start, data.train, context.runtime)
    with models_aside(context) as models:
        members: dict[str, Classifier] = {}
        for number in range(wanted.seeds):
            own = _member_context(context, number, wanted.seeds)
            aside = Path(models, str(number))
            folder = (own.folder or aside) / ON_THE_WAY
            kept = _Checkpoints(start, folder, aside, wanted.checkpoints - 1)
            members |= _fit_one(method, data, own, kept)
        tuned, report = soup(
            members, data.val, ensemble.soup, start, context.runtime, refresh, data.train
        )
    if context.folder is not None:
        write_json(context.folder / "soup.json", report.to_dict())
    return tuned.with_temperature(1.0)


@dataclass
class _Checkpoints:
    """The models of one training, which take no memory: what they changed lies in files."""

    start: Classifier
    folder: Path
    """For the weights that train."""
    aside: Path
    """For what the models changed."""
    count: int
    models: list[Classifier] = dataclasses.field(default_factory=list)

    def keep(self, model: Classifier) -> None:
        """Take a copy of a model on the way."""
        self.add(model.clone())

    def add(self, model: Classifier) -> None:
        """Take a model."""
        file = self.aside / f"{len(self.models)}.safetensors"
        self.models.append(share_weights(model, self.start, file))


def _fit_one(
    method: Method, data: ImageData, context: Context, kept: _Checkpoints
) -> dict[str, Classifier]:
    """One training: its checkpoints, then its result, by name."""
    trajectory = kept if kept.count else None
    tuned = method.fit(kept.start, data, replace(context, trajectory=trajectory))
    if len(kept.models) != kept.count:
        raise RunError(
            f"{type(method).__name__} - keeps no models on the way - {kept.count} wanted - train "
            "with adapt.training.loop.train, or remove ensemble.members.checkpoints"
        )
    kept.add(tuned)
    name, total = f"seed {context.seed}", len(kept.models)
    if total == 1:
        return {name: kept.models[0]}
    return {f"{name}, {n} of {total}": model for n, model in enumerate(kept.models, 1)}


def models_aside(context: Context) -> "TemporaryDirectory[str]":
    """A folder for the weights of models that are needed for a while; see `share_weights`."""
    if context.folder is not None:
        context.folder.mkdir(parents=True, exist_ok=True)
    # Windows deletes no file that is mapped.
    return TemporaryDirectory(prefix="models-", dir=context.folder, ignore_cleanup_errors=True)


def remove_checkpoints(folder: Path) -> None:
    """Delete the weights of checkpoints in a run folder, once the run is done."""
    for place in (folder / ON_THE_WAY, *folder.glob(f"members/*/{ON_THE_WAY}")):
        if place.is_dir():
            shutil.rmtree(place)


def _member_context(context: Context, number: int, seeds: int) -> Context:
    """The trainings of several seeds have folders of their own."""
    folder = context.folder
    if folder is not None and seeds > 1:
        folder = folder / "members" / str(number)
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
