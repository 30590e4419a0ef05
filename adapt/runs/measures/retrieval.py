"""Evals of images with captions: how well each model finds one by the other."""

from collections.abc import Callable
from functools import partial
from typing import Any

from adapt.common.content import content_hashes
from adapt.data.sources.captions.pairs import captions_of
from adapt.evaluation.retrieval import retrieval
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.runs.measures.scores import ADAPTED, ENSEMBLE, START
from adapt.training.context import Context
from adapt.training.features.store import store_of


def scores_on_captions(
    context: Context,
    data: RunData,
    ends: tuple[Classifier, Classifier],
    mixed: Callable[[], Classifier],
    interval: str,
) -> dict[str, Any]:
    """What `scores.json` holds of captions; see `adapt.evaluation.retrieval`.

    Args:
        context: Keeps features, and what this came to.
        data: Its sets of images with captions.
        ends: Start and adapted model. A probe has the encoders of the start, and these alone count
            here.
        mixed: Makes the chosen point between them.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        `retrieval`, by eval; empty where the recipe has no such eval.
    """
    if not data.retrieval:
        return {}
    named = dict(zip((START, ADAPTED, ENSEMBLE), (*ends, mixed()), strict=True))
    weights = [weights_hash(model.backbone.state_dict()) for model in named.values()]
    scores = {}
    for name, images in data.retrieval.items():
        about = [name, content_hashes(images.paths), captions_of(images), *weights, interval]
        encode = store_of(context).features
        compute = partial(retrieval, named, images, context.runtime, interval, encode)
        scores[name] = context.stages.content("retrieval", about, compute)
    return {"retrieval": scores}
