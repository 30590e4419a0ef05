"""The few-shot protocol: several draws of k images per class, every test set opened once."""

import itertools
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from adapt.common.content import content_hashes
from adapt.common.progress import track
from adapt.data.image_data import ImageData
from adapt.data.splits.stratified import sample_shots
from adapt.evaluation.evaluate import Split
from adapt.evaluation.metrics.masking import mask_absent
from adapt.methods.base import Method
from adapt.methods.features.base import HeadMethod, read_support
from adapt.methods.features.support import Support
from adapt.methods.settings import FewShot
from adapt.models.classifier import Classifier
from adapt.training.context import NOTHING_KEPT, Context
from adapt.training.features.encode import head_logits, predict_logits
from adapt.training.features.store import store_of

FORMAT = 1
Cell = dict[str, Any]


@dataclass
class _ScoredSets:
    """All sets that are scored, as features if the method does not change the encoders."""

    splits: list[Split]
    features: dict[str, torch.Tensor] | None

    def accuracies(self, classifier: Classifier, context: Context) -> dict[str, float]:
        """Accuracy on each set, 0 to 1."""
        accuracies = {}
        for split in self.splits:
            if self.features is None:
                logits = predict_logits(classifier, split.pixels, context.runtime)
            else:
                logits = head_logits(classifier.head, self.features[split.name])
            scored = logits if split.name == "val" else mask_absent(logits, split.targets).logits
            accuracies[split.name] = float((scored.argmax(1) == split.targets).mean())
        return accuracies


def few_shot(
    section: FewShot,
    method: Method,
    start: Classifier,
    data: ImageData,
    evals: list[Split],
    context: Context,
) -> dict[str, Any]:
    """Fit the method on draws of the training images and score each fit on every eval.

    A draw depends only on its seed and the content of the images, and draws of one seed are nested.
    No draw is left out, and no fit uses a test set; val is used if the method chooses something on
    it, as in the run itself. The result tells which fits are below zero-shot on val, or on the
    first eval when there is no val.

    Args:
        section: Numbers of images per class, and number of draws of each.
        method: From the recipe; each fit has its settings.
        start: The zero-shot model.
        data: Draws are made from its training images; its val images are scored.
        evals: Test sets, made ready.
        context: Of the run; each fit gets its own seed and no folder.

    Returns:
        The content of `few_shot.json`: accuracies of zero-shot and of each draw, and its images.
    """
    train, keys = data.train, content_hashes(data.train.paths)
    # Zero-shot and the method share features where the method uses those of zero-shot.
    shared = isinstance(method, HeadMethod) and method.features == start.backbone.features
    on_features = method if isinstance(method, HeadMethod) and shared else None

    @cache
    def sets() -> _ScoredSets:
        return _read_sets(on_features is not None, start, data, evals, context)

    @cache
    def support() -> Support | None:
        if on_features is None:
            return None
        return read_support(start, data, context, on_features.views)

    def fitted(chosen: np.ndarray, seed: int) -> Classifier:
        own = replace(context, seed=seed, folder=None, resume=False, stages=NOTHING_KEPT)
        if (whole := support()) is None or on_features is None:
            return method.fit(start, ImageData(train.subset(chosen), data.val), own)
        few = replace(whole.part(torch.from_numpy(chosen), whole.val), seed=seed)
        return start.with_learned_head(on_features.head(few))

    cells: list[Cell] = []
    draws = list(itertools.product(section.shots, range(section.seeds)))
    for shots, seed in track(draws, "few-shot draws"):
        chosen = sample_shots(train.labels, shots, seed, keys)
        images = [train.relative(int(index)) for index in chosen]
        accuracy = context.stages.content(
            f"few-shot-{shots}-{seed}",
            [keys[int(index)] for index in chosen],
            lambda: sets().accuracies(fitted(chosen, seed), context),  # noqa: B023
        )
        cells.append({"shots": shots, "seed": seed, "images": images, "accuracy": accuracy})
    zero_shot = context.stages.content(
        "few-shot-zero-shot", None, lambda: sets().accuracies(start, context)
    )
    judge = next(iter(zero_shot), None)
    return {
        "format": FORMAT,
        "shots": list(section.shots),
        "seeds": section.seeds,
        "zero_shot": zero_shot,
        "cells": cells,
        "judged_on": judge,
        "below_zero_shot": [
            {"shots": cell["shots"], "seed": cell["seed"]}
            for cell in cells
            if judge is not None and cell["accuracy"][judge] < zero_shot[judge]
        ],
        "fewest_images": min(train.counts().values()),
    }


def _read_sets(
    on_features: bool, start: Classifier, data: ImageData, evals: list[Split], context: Context
) -> _ScoredSets:
    splits = list(evals)
    if data.val is not None:
        splits.insert(0, Split.read("val", data.val, start, context.runtime))
    features = None
    if on_features:
        features = {
            split.name: store_of(context).features(start.backbone, split.pixels, context.runtime)
            for split in splits
        }
    return _ScoredSets(splits, features)
