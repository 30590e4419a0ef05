"""Images and captions found by each other, by several models on the same pairs."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adapt.common.arrays import BoolArray, FloatArray, SingleArray
from adapt.common.words import plural
from adapt.data.sources.captions.pairs import captions_of
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.intervals import WILSON
from adapt.evaluation.metrics.retrieval import (
    CUTOFFS,
    IMAGE_TO_TEXT,
    TEXT_TO_IMAGE,
    Ranks,
    retrieval_ranks,
    retrieval_scores,
)
from adapt.models.classifier import Classifier
from adapt.models.heads import filling
from adapt.models.penultimate import PROJECTED
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.runtime import inference_device, placed_on
from adapt.training.settings import Runtime

ImageFeatures = Callable[[Any, Pixels, Runtime], Tensor]
"""From a backbone and pixels to unit features (N, D)."""


def retrieval(
    models: Mapping[str, Classifier],
    images: ImageList,
    runtime: Runtime | None = None,
    interval: str = WILSON,
    encode: ImageFeatures = image_features,
) -> dict[str, Any]:
    """Recall at 1, 5 and 10 of every model, from images to captions and from captions to images.

    Captions go through the text encoder as they are; heads play no part.

    Args:
        models: By name; the first is the one that others are compared with.
        images: With captions, as `adapt.data.sources.captions.pairs.from_pairs` reads them.
        runtime: Device and batch size.
        interval: Of proportions; see `proportion_interval`.
        encode: Computes image features, such as `FeatureStore.features`, which keeps them.

    Returns:
        `images` and `captions` (their numbers), `cut` (captions that fill the context of the text
        encoder, which does not read on), and `models`: by name and direction the entries of
        `retrieval_scores`, and for all but the first model a `difference` by `recall@k`, paired by
        image.

    Raises:
        DataError: When there are fewer than two images, or one has no caption.

    Example:
        >>> from adapt.data.sources.captions.pairs import CAPTION
        >>> from adapt.data.images import Images
        >>> images = Images.from_embedded("pictograms", "emoji", "test").subset([0, 120, 300])
        >>> images.columns[CAPTION] = [f"a {label}" for label in images.labels]
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog"])
        >>> scores = retrieval({"start": start}, images)["models"]["start"]
        >>> scores["image_to_text"]["recall@5"]
        1.0
    """
    captions = captions_of(images)
    if len(images) < 2:
        raise DataError(
            f"{images.root} - too few images - {plural(len(images), 'image')} - give two or more"
        )
    runtime = runtime or Runtime()
    owner = np.repeat(np.arange(len(images)), [len(own) for own in captions])
    texts = [caption for own in captions for caption in own]
    scored: dict[str, Any] = {}
    first: Ranks | None = None
    cut, pixels = 0, None
    for name, model in models.items():
        backbone = model.backbone.with_features(PROJECTED).eval()
        if pixels is None or pixels.preprocessing != backbone.preprocessing:
            pixels = prepare(images, backbone.preprocessing, runtime, keep=True)
            cut = len(filling(backbone, texts))
        seen = encode(backbone, pixels, runtime).numpy()
        ranks = retrieval_ranks(seen, _text_features(backbone, texts, runtime), owner)
        scored[name] = _entry(ranks, first, interval)
        first = first or ranks
    return {"images": len(images), "captions": len(texts), "cut": cut, "models": scored}


def _text_features(backbone: Any, texts: list[str], runtime: Runtime) -> SingleArray:
    with placed_on(backbone, inference_device(runtime)), torch.inference_mode():
        features: SingleArray = backbone.encode_text(texts).float().cpu().numpy()
    return features


def _entry(ranks: Ranks, before: Ranks | None, interval: str) -> dict[str, Any]:
    """Both directions, each with the differences to the first model."""
    scores = retrieval_scores(ranks, interval=interval)
    result: dict[str, Any] = {way: scores[way] for way in (IMAGE_TO_TEXT, TEXT_TO_IMAGE)}
    for way, entry in result.items() if before is not None else ():
        entry["difference"] = {
            f"recall@{cutoff}": _difference(ranks, before, way, cutoff) for cutoff in CUTOFFS
        }
    return result


def _difference(now: Ranks, then: Ranks | None, way: str, cutoff: int) -> dict[str, Any]:
    assert then is not None
    return dict(paired_difference(by_image(now, way, cutoff), by_image(then, way, cutoff)))


def by_image(ranks: Ranks, way: str, cutoff: int) -> FloatArray | BoolArray:
    """Of each image, whether it, or how many of its captions, have a right answer in time.

    Captions are counted in parts of their mean number, so that the mean over images is the recall
    over all captions.
    """
    if way == IMAGE_TO_TEXT:
        return ranks.image_to_text < cutoff
    found = np.bincount(ranks.owner, weights=ranks.text_to_image < cutoff)
    return np.asarray(found * len(ranks.image_to_text) / len(ranks.owner))
