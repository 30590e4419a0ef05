"""The disk that a run takes: what it writes, estimated before it begins."""

from dataclasses import dataclass
from pathlib import Path

from adapt.common.cache import cache_folder, most_bytes
from adapt.common.files import check_room
from adapt.methods import Method
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData, fold_count
from adapt.recipe.schema import Recipe
from adapt.runs.memory import bytes_of, weights_of
from adapt.training.parameters import text_trains

KEPT = 3
"""Checkpoints of a training: the last, the one before it and the best."""
MODELS = 2
"""Bundles of a run: what was adapted, and what ships."""
REST = 20_000_000
"""Bytes of tables, figures and logs."""
NUMBER = 4
"""Bytes of a number in float32."""


@dataclass(frozen=True)
class Space:
    """Bytes that a run writes, by what they are for."""

    checkpoints: int
    """Of all trainings, with the one that is being written, and weights kept on the way."""
    stages: int
    """What finished stages came to; gone when the run is complete."""
    models: int
    """The bundles."""
    cache: int
    """Features of all images, in the folder of the cache."""

    @property
    def run(self) -> int:
        """Bytes in the run folder, at their most."""
        return self.checkpoints + self.stages + self.models + REST


def space_of(
    recipe: Recipe, method: Method, start: Classifier, tuned: Classifier, data: RunData
) -> Space:
    """What a run writes.

    Args:
        recipe: What is run.
        method: As the recipe has it.
        start: The zero-shot model.
        tuned: As `prepare` gives it: what requires gradients trains.
        data: Its images.
    """
    members, folds = recipe.ensemble.models, fold_count(recipe, data.fit)
    optim = getattr(method, "optim", None)
    trained = sum(bytes_of(p) for p in tuned.parameters() if p.requires_grad)
    # Weights, two moments, and what follows the weights.
    checkpoint = trained * (3 + bool(optim.ema) + bool(optim.self_distillation)) if optim else 0
    on_the_way = trained * members.seeds * (members.checkpoints - 1) if optim else 0
    changed = _changed(start, tuned)
    asides = members.count if members.count > 1 else folds
    val, tests = len(data.fit.val or []), sum(len(images) for images in data.evals.values())
    images = len(data.fit.train) + val + tests
    logits = (
        ((val or len(data.fit.train)) + tests)
        * recipe.ensemble.alphas
        * len(start.class_names)
        * NUMBER
    )
    return Space(
        (KEPT * (members.seeds + folds) + 1) * checkpoint + on_the_way,
        (1 + folds + asides) * changed + logits,
        MODELS * weights_of(start),
        min(images * start.backbone.width * NUMBER, most_bytes()),
    )


def check_space(space: Space, folder: Path) -> None:
    """Refuse to begin, or to go on, where the disk has no room for what will be written.

    What an earlier process has left in the folder counts as written.

    Args:
        space: What the run writes.
        folder: Of the run.

    Raises:
        RunError: With what is free and what is needed.
    """
    cache = cache_folder("features")
    there = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    together = space.cache if _disk(folder) == _disk(cache) else 0  # elsewhere nothing is lost
    check_room(folder, max(0, space.run + together - there), "the run")


def _changed(start: Classifier, tuned: Classifier) -> int:
    """Bytes of the tensors that a trained model does not share with its start, at most."""
    own = start.state_dict()
    trains = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    if trains.keys() <= own.keys():
        return sum(bytes_of(p) for p in trains.values())
    # Adapters are merged into the weights of the encoder that they stand in.
    backbone = start.backbone
    encoder = backbone.model if text_trains(tuned) else backbone.image_encoder
    return sum(bytes_of(p) for p in [*encoder.parameters(), *start.head.parameters()])


def _disk(folder: Path) -> int:
    """Which disk a folder is on, or would be."""
    place = folder.absolute()
    return next(path for path in (place, *place.parents) if path.exists()).stat().st_dev
