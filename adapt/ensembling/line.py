"""Models on the line between two sets of weights (WiSE-FT, arXiv:2109.01903)."""

import copy
import math
from collections.abc import Callable
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn

from adapt.data.sources.image_list import ImageList
from adapt.ensembling.weights.interpolate import interpolate
from adapt.ensembling.weights.lines import block_fractions, lines
from adapt.errors import RecipeError, WeightsError
from adapt.evaluation.evaluate import Split
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.weight_files import plain_names
from adapt.training.features.batch_norm import check_batch_norms, measure_batch_norms
from adapt.training.features.encode import (
    head_logits,
    image_features,
    predict_logits,
    prepare,
)
from adapt.training.parameters import MODEL, block_numbers, in_encoder
from adapt.training.settings import Runtime

Refresh = Callable[[Classifier], Classifier]
"""What becomes of a model whose weights are an average, before anything is asked of it."""


def unchanged(classifier: Classifier) -> Classifier:
    """The average as it is."""
    return classifier


def refresh_of(batch_norm: str, start: Classifier, images: ImageList, runtime: Runtime) -> Refresh:
    """What `ensemble.batch_norm` asks for.

    Args:
        batch_norm: `average` or `reestimate`.
        start: Says what images go through, and whether there are batch norms.
        images: Training images.
        runtime: Device and batch size.

    Raises:
        ModelError: When statistics are to be estimated and there are none.
    """
    if batch_norm == "average":
        return unchanged
    check_batch_norms(start)
    pixels = prepare(images, start.backbone.preprocessing, runtime)
    return lambda classifier: measure_batch_norms(classifier, pixels, runtime)


def mix(
    start: Classifier,
    tuned: Classifier,
    alpha: float,
    extrapolate: bool = False,
    refresh: Refresh = unchanged,
) -> Classifier:
    """The model at `alpha` between `start` (0) and `tuned` (1); the ends are bit-equal to them.

    Learned heads are averaged like any weight; a cache of support features fades in over the linear
    head of the start. When both heads come from text, the head is made anew from the averaged text
    encoder. Statistics of batch norms are averaged like weights.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1.
        alpha: From 0 to 1.
        extrapolate: Allow any other number: a model beyond one of the ends.
        refresh: See `refresh_of`; the ends, and encoders that are equal, are left as they are.

    Raises:
        RecipeError: When alpha is no number, or outside of 0 to 1 without `extrapolate`.
        WeightsError: When the two do not share classes, names or shapes.
    """
    check_fraction("alpha", alpha, extrapolate, ", or extrapolate=True to go beyond the two models")
    if start.class_names != tuned.class_names:
        pairs = zip(start.class_names, tuned.class_names, strict=False)
        first = next((f"{a!r} and {b!r}" for a, b in pairs if a != b), "their number")
        raise WeightsError(
            f"class names - differ - {first} - both models must have the same classes in the "
            "same order"
        )
    if alpha not in (0, 1) and start.backbone.features != tuned.backbone.features:
        raise WeightsError(
            f"features - differ - {start.backbone.features} and {tuned.backbone.features} - a head "
            "on features before the projection has no line to zero-shot: use it without mixing"
        )
    encoders = interpolate(
        plain_names(start.backbone.model.state_dict()),
        plain_names(tuned.backbone.model.state_dict()),
        alpha,
    )
    mixed = (start if alpha == 0 else tuned).clone()
    mixed.backbone.model.load_state_dict(encoders)
    mixed.head = _mix_heads(start.head, tuned.head, alpha)
    mixed.uncertainty = None  # thresholds belong to the weights they were chosen with
    if alpha not in (0, 1) and start.head_from_text and tuned.head_from_text:
        mixed.rebuild_head()
    if refresh is unchanged or alpha in (0, 1) or same_encoders(start, tuned):
        return mixed
    return refresh(mixed)


def check_fraction(
    name: str, value: float | Real, any_number: bool = False, otherwise: str = ""
) -> None:
    """Refuse what is not a number from 0 to 1, or not a finite number.

    Args:
        name: Of the argument, for the message.
        value: The number.
        any_number: Whether it may lie outside of 0 to 1.
        otherwise: What else can be done with a number outside, for the message.

    Raises:
        RecipeError: Naming the argument and what was given.

    >>> check_fraction("alpha", 1.5, any_number=True)
    """
    number = isinstance(value, Real) and math.isfinite(value)
    if not number or not (any_number or 0 <= float(value) <= 1):
        advice = f"give a number from 0 to 1{otherwise if number else ''}"
        raise RecipeError(f"{name} - out of range - {value!r} - {advice}")


def _mix_heads(
    start: nn.Linear | CacheHead, tuned: nn.Linear | CacheHead, alpha: float
) -> nn.Linear | CacheHead:
    """Heads of one kind are averaged; a cache fades in, so that logits are linear in alpha."""
    if alpha in (0, 1):
        return copy.deepcopy(tuned if alpha else start)
    if isinstance(tuned, CacheHead) and isinstance(start, nn.Linear):
        return tuned.towards(start.weight.detach(), start.bias.detach(), alpha)
    mixed = copy.deepcopy(tuned)
    mixed.load_state_dict(interpolate(start.state_dict(), tuned.state_dict(), alpha))
    return mixed


def scale_by_depth(start: Classifier, tuned: Classifier, shallow: float) -> Classifier:
    """The tuned model with less of the change of its shallow layers (LiNeS, arXiv:2410.17146).

    In each encoder the change of a block is multiplied by a factor that rises linearly from
    `shallow` for the first block to 1 for the last. As in the authors' code everything outside the
    blocks, also the projection behind them, has the smallest factor; the head, which is no part of
    their task vector, keeps all of its change.

    Args:
        start: What `tuned` was tuned from.
        tuned: Not changed.
        shallow: Factor of the first block, 0 to 1; 1 gives the tuned model back bit for bit.

    Raises:
        RecipeError: When `shallow` is not from 0 to 1.
        WeightsError: When the two do not share names or shapes.
    """
    check_fraction("shallow", shallow)
    before, after = plain_names(start.state_dict()), plain_names(tuned.state_dict())
    fractions = {name: 0.0 if name.startswith(MODEL) else 1.0 for name in before}
    for encoder in ("image", "text"):
        names = [name for name in before if in_encoder(name, encoder)]
        fractions |= block_fractions(names, block_numbers(names))
    scaled = tuned.clone()
    scaled.load_state_dict(lines(before, after, fractions, shallow, 1.0))
    if shallow != 1 and start.head_from_text and tuned.head_from_text:
        scaled.rebuild_head()
    return scaled


def same_encoders(start: Classifier, tuned: Classifier) -> bool:
    """Whether only the heads differ, so that logits are linear in alpha."""
    first = plain_names(start.backbone.model.state_dict())
    second = plain_names(tuned.backbone.model.state_dict())
    alike = start.backbone.features == tuned.backbone.features
    return (
        alike
        and first.keys() == second.keys()
        and all(torch.equal(first[name], second[name]) for name in first)
    )


class StartFeatures:
    """What lines from one start share: its image features, encoded once per set.

    Args:
        start: Whose image encoder is used.
        runtime: Device and batch size.
        refresh: What becomes of averages on the lines; see `mix`.
    """

    def __init__(self, start: Classifier, runtime: Runtime, refresh: Refresh = unchanged) -> None:
        self._start, self._runtime, self.refresh = start, runtime, refresh
        self._known: dict[str, Tensor] = {}

    def with_refresh(self, refresh: Refresh) -> "StartFeatures":
        """The same features (shared), for lines whose averages are refreshed otherwise."""
        other = copy.copy(self)
        other.refresh = refresh
        return other

    def of(self, split: Split) -> Tensor:
        """Unit features (N, D) of a set; the same pixels are encoded once, whatever their name."""
        key = split.pixels.content_hash
        if key not in self._known:
            self._known[key] = image_features(self._start.backbone, split.pixels, self._runtime)
        return self._known[key]


def logits_on_line(
    start: Classifier, tuned: Classifier, runtime: Runtime, features: StartFeatures | None = None
) -> Callable[[float, Split], np.ndarray]:
    """A function from (alpha, split) to logits, as cheap as the two models allow.

    With equal encoders the features of a split are computed once and only heads are mixed.
    Otherwise one working copy is kept and its weights are replaced for each alpha.

    Args:
        start: The model at alpha 0.
        tuned: The model at alpha 1.
        runtime: Device and batch size.
        features: Of the start, where other lines from it are visited too.
    """
    known = features or StartFeatures(start, runtime)
    if same_encoders(start, tuned):
        return lambda alpha, split: head_logits(mix(start, tuned, alpha), known.of(split))
    current: dict[float, Classifier] = {}

    def from_pixels(alpha: float, split: Split) -> np.ndarray:
        if alpha == 0:
            return head_logits(start, known.of(split))
        if alpha not in current:
            current.clear()
            current[alpha] = mix(start, tuned, alpha, refresh=known.refresh)
        return predict_logits(current[alpha], split.pixels, runtime)

    return from_pixels
