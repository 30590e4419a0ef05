"""Prompts that are chosen on training images: searched with their labels, weighted without."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from adapt.common.words import first_few, plural
from adapt.data.labels.classes import ClassName
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError
from adapt.methods.features.prompt_search import Searched, search_prompts
from adapt.methods.features.support import Support
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.prompts.columns import (
    Column,
    column_features,
    column_shares,
    own_column,
    template_columns,
    weighted_head,
    weighted_prompts,
)
from adapt.models.prompts.weighting import zpe_scores
from adapt.models.settings import ZPE, Prompts
from adapt.models.templates import resolve_templates
from adapt.training.context import Context
from adapt.training.features.pixels import prepare
from adapt.training.features.store import store_of
from adapt.training.runtime import inference_device, placed_on

AS_GIVEN = "the prompts as given"


@dataclass(frozen=True)
class PromptChoice:
    """Which columns of prompts are used, and how much each counts."""

    columns: list[str]
    """Their names: templates, or what a group of prompts is."""
    weights: list[float]
    """They sum to 1; where they differ by class, because a column is a group of sentences and
    counts once for each, their mean over classes."""
    scores: list[float] | None
    """Of zero-shot prompt weighting, in logits."""
    images: int
    """Training images that were looked at."""
    candidates: list[str]
    """Of the search; empty without one."""
    searched: Searched | None

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        scores: Sequence[float | None] = self.scores or [None] * len(self.columns)
        rows = [
            {"name": name, "weight": weight, "score": score}
            for name, weight, score in zip(self.columns, self.weights, scores, strict=True)
        ]
        return {"columns": rows, "images": self.images, "search": self._search()}

    def _search(self) -> dict[str, Any] | None:
        if (own := self.searched) is None:
            return None
        before, after = own.accuracy if own.images else (None, None)
        return {
            "kept": own.better,
            "candidates": len(self.candidates),
            "chosen": [self.candidates[number] for number in own.chosen],
            "held_out_images": own.images,
            "gain": own.gain,
            "standard_error": own.error,
            "gain_of_all": own.together,
            "accuracy_before": before,
            "accuracy_after": after,
        }

    def sentences(self) -> list[str]:
        """What was chosen and why, for the notes of a report."""
        told = []
        if (own := self.searched) is not None and not own.images:
            told.append("prompts: nothing is searched where every class has one training image")
        elif own is not None:
            names = first_few([self.candidates[number] for number in own.chosen], 4, "; ")
            gain = f"{own.gain:+.3f} +- {own.error:.3f} nats per image held out"
            what = "are used" if own.better else "are not clearly better and are not used"
            counted = f"{plural(len(own.chosen), 'template')} of {len(self.candidates)}"
            told.append(f"prompts: {counted} {what} ({gain}): {names}")
        if self.scores is not None:
            order = sorted(zip(self.weights, self.columns, strict=True), reverse=True)
            most = "; ".join(f"{name} ({100 * weight:.1f} %)" for weight, name in order[:3])
            told.append(
                f"prompts: weighted by {plural(self.images, 'training image')} without labels; "
                f"the most weight of {len(order)} have {most}"
            )
        return told


def choose_prompts(
    start: Classifier,
    names: Sequence[ClassName],
    templates: Sequence[str],
    settings: Prompts,
    images: ImageList,
    context: Context | None = None,
) -> tuple[Classifier, PromptChoice | None]:
    """Search and weigh the prompts of a zero-shot classifier on training images.

    No image is encoded that the context's store knows, and every text is encoded once. With
    `settings.search` the candidates are the prompts of `start`, its templates and OpenAI's 80 for
    ImageNet; what is chosen by its likelihood on the labelled images is used if it is clearly
    better than `start` on images held out (`prompt_search`). With `settings.weights` of `zpe` the
    columns that are used then get the weights of `adapt.models.prompts.weighting`.

    Args:
        start: Zero-shot, with equal weights; it is not changed.
        names: Its classes, with their own sentences where they have any.
        templates: Its templates, or names of sets of them.
        settings: What to do; the `file` is not read here, see `with_sentences`.
        images: Training images; test images never.
        context: Device, seed of the folds, and what keeps features.

    Returns:
        The classifier, and what was chosen; `start` and None where nothing is to be chosen.

    Raises:
        RecipeError: When weights are asked for and there is one column.

    Example:
        >>> from adapt import Classifier, Images
        >>> from adapt.models.settings import Prompts
        >>> images = Images.from_embedded("pictograms", "emoji", "test")
        >>> names = [images.classes[key] for key in images.class_names]
        >>> start = Classifier.from_clip("adapt-icons-xs", "embedded", names)
        >>> choose_prompts(start, names, ["simple"], Prompts(), images)[1] is None
        True
    """
    resolved = resolve_templates(list(templates))
    columns = _columns(names, resolved, settings)
    if settings.weights == ZPE and len(columns) == 1 and not settings.search:
        raise RecipeError(
            "model.prompts.weights - there is nothing to weigh - every class has the same one "
            "template, or sentences of its own alone - give more templates, or set "
            "model.prompts.beside_templates=true"
        )
    if settings.weights != ZPE and not settings.search:
        return start, None
    reader = _StartFeatures(start, context or Context())
    support, searched, candidates = reader.support(images), None, list[Column]()
    if settings.search:
        pool = template_columns(names, resolve_templates([*resolved, "openai"]))
        candidates = [Column(AS_GIVEN, start.prompts), *pool]
    features = reader.encoded([*candidates, *columns])
    used, scores = features[len(candidates) :], None
    if settings.search:
        searched = search_prompts(support, features[: len(candidates)])
        if searched.better:
            columns = [candidates[number] for number in searched.chosen]
            used = features[searched.chosen]
    kept = searched is not None and searched.better
    if settings.search and not kept and (settings.weights != ZPE or len(columns) == 1):
        seen = len(images), [column.name for column in candidates], searched
        return start, PromptChoice([AS_GIVEN], [1.0], None, *seen)
    weights = torch.ones(len(columns), dtype=torch.double)
    if settings.weights == ZPE:
        scores = zpe_scores(support.features, used, support.scale)
        weights = scores.softmax(0)
    shares = column_shares(columns, weights, by_prompt=not kept)
    choice = PromptChoice(
        [column.name for column in columns],
        shares.mean(1).tolist(),
        None if scores is None else scores.tolist(),
        len(images),
        [column.name for column in candidates],
        searched,
    )
    prompts, counts = weighted_prompts(columns, shares)
    head = linear_head(weighted_head(used, shares, support.scale))
    chosen = Classifier(start.backbone, head, start.class_names, prompts, prompt_weights=counts)
    return chosen.eval(), choice


@dataclass(frozen=True)
class _StartFeatures:
    """Features of images and texts under one start."""

    start: Classifier
    context: Context

    def support(self, images: ImageList) -> Support:
        backbone, context = self.start.backbone, self.context
        pixels = prepare(images, backbone.preprocessing, context.runtime)
        features = store_of(context).features(backbone, pixels, context.runtime)
        zero_shot = self.start.head.weight.detach().float().cpu()
        targets = torch.from_numpy(images.targets(self.start.class_names))
        return Support(features[None], targets, zero_shot, seed=context.seed)

    def encoded(self, columns: list[Column]) -> torch.Tensor:
        backbone, context = self.start.backbone, self.context
        with placed_on(backbone, inference_device(context.runtime)):
            return column_features(backbone, columns, store_of(context).kept)


def _columns(
    names: Sequence[ClassName], templates: Sequence[str], settings: Prompts
) -> list[Column]:
    """The columns of a classifier whose prompts are not searched."""
    if settings.beside_templates:
        return [*template_columns(names, templates), own_column(names, templates)]
    if all(name.prompts for name in names):
        return [own_column(names, templates)]
    return template_columns(names, templates, keep_own=True)
