"""Scores of a run on pairs: retrieval on pairs, zero-shot accuracy on sets with classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapt.data.sources.captions.pairs import captions_of, has_pairs
from adapt.ensembling.pairs import PairLine, PairSplit
from adapt.ensembling.retention import retention_prompts, zero_shot_on
from adapt.evaluation.evaluate import Split, metrics
from adapt.evaluation.metrics.bootstrap import paired_difference
from adapt.evaluation.metrics.retrieval import (
    IMAGE_TO_TEXT,
    TEXT_TO_IMAGE,
    Ranks,
    retrieval_ranks,
    retrieval_scores,
)
from adapt.evaluation.retrieval import by_image
from adapt.models.classifier import Classifier
from adapt.recipe.data import RunData
from adapt.runs.folder.answers import PAIRS
from adapt.runs.measures.scores import ADAPTED, ENSEMBLE, START
from adapt.training.features.encode import predict_logits
from adapt.training.settings import Runtime

CUTOFF = 10
"""Of the one number that stands for a set: the mean of both directions at this rank."""


def ranks_of(line: PairLine, alpha: float, split: PairSplit) -> Ranks:
    """Ranks of the model at `alpha` in both directions."""
    features = line.features(alpha, split)
    return retrieval_ranks(features.images.numpy(), features.texts.numpy(), split.owner)


def pair_scores(ranks: Ranks, interval: str, before: Ranks | None = None) -> dict[str, Any]:
    """Retrieval in both directions, and `recall@10`, the mean of both.

    Args:
        ranks: Of a model.
        interval: Of proportions.
        before: Of the start on the same pairs; adds `difference` to it, paired by image.
    """
    scores = retrieval_scores(ranks, interval=interval)
    scores["n"] = scores["images"]
    for kind in ("recall", "chance"):
        ways = (scores[way][f"{kind}@{CUTOFF}"] for way in (IMAGE_TO_TEXT, TEXT_TO_IMAGE))
        scores[f"{kind}@{CUTOFF}"] = sum(ways) / 2
    if before is not None:
        now, then = _both_ways(ranks), _both_ways(before)
        scores["difference"] = {f"recall@{CUTOFF}": dict(paired_difference(now, then))}
    return scores


def _both_ways(ranks: Ranks) -> np.ndarray:
    """Of each image, the mean of both directions at the cut-off."""
    return np.asarray(
        np.mean([by_image(ranks, way, CUTOFF) for way in (IMAGE_TO_TEXT, TEXT_TO_IMAGE)], axis=0)
    )


def score_pairs(
    line: PairLine, alpha: float, splits: Sequence[PairSplit], interval: str
) -> dict[str, dict[str, Any]]:
    """By model and split, the scores of the start, the tuned model and the point that ships."""
    scored: dict[str, dict[str, Any]] = {START: {}, ADAPTED: {}, ENSEMBLE: {}}
    for split in splits:
        before = ranks_of(line, 0.0, split)
        for model, at in ((START, 0.0), (ADAPTED, 1.0), (ENSEMBLE, alpha)):
            reference = None if model == START else before
            scored[model][split.name] = pair_scores(ranks_of(line, at, split), interval, reference)
    return scored


def score_classes(
    models: Mapping[str, Classifier], data: RunData, templates: Sequence[str], runtime: Runtime
) -> dict[str, dict[str, Any]]:
    """By model and set, zero-shot accuracy on the sets with classes, named by the text encoder.

    Args:
        models: By name, the start among them.
        data: Of the run.
        templates: Sentences that class names are put in.
        runtime: Device and batch size.

    Raises:
        DataError: When a set has one class, or a class has no name.
    """
    scored: dict[str, dict[str, Any]] = {name: {} for name in models}
    sets = {n: images for n, images in data.evals.items() if not has_pairs(images)}
    for name, images in (sets | data.retention).items():
        prompts, split, before = retention_prompts(images, templates), None, None
        for model_name, model in models.items():
            own = zero_shot_on(model, images.class_names, prompts)
            split = split or Split.read(name, images, own, runtime)
            logits = predict_logits(own, split.pixels, runtime)
            scored[model_name][name] = metrics(logits, split.targets, reference=before)
            before = logits if before is None else before
    return scored


def pairs_card(data: RunData) -> dict[str, Any]:
    """Number of images, captions and classes of every set."""

    def entry(name: str, images: Any) -> dict[str, Any]:
        spec = data.specs.get(name)
        card: dict[str, Any] = {"n": len(images)}
        if has_pairs(images):
            card |= {"task": PAIRS, "captions": sum(map(len, captions_of(images)))}
        else:
            card |= {"task": "classes", "per_class": images.counts()}
        if spec is not None:
            card |= {"of": spec.of, "shift": spec.shift, "severity": spec.severity}
        return card | {"kind": "synthetic" if spec is not None and spec.shift else "natural"}

    fit = {"train": data.fit.train} | ({"val": data.fit.val} if data.fit.val else {})
    cards = {name: entry(name, images) for name, images in fit.items()}
    sets = data.evals | data.retrieval | data.retention
    return cards | {"evals": {name: entry(name, images) for name, images in sets.items()}}
