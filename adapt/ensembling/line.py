"""Models on the line between two sets of weights (WiSE-FT, arXiv:2109.01903)."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.content import text_hash
from adapt.data.sources.image_list import ImageList
from adapt.ensembling.weights.interpolate import interpolate
from adapt.errors import RecipeError, WeightsError
from adapt.evaluation.evaluate import Split
from adapt.models.adapters.cut import Cut, cut_before
from adapt.models.bundle.tensors import weights_hash
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.models.penultimate import PROJECTED
from adapt.models.weight_files import plain_names
from adapt.training.context import NOTHING_KEPT, KeepsFeatures, KeepsStages
from adapt.training.features.batch_norm import check_batch_norms, measure_batch_norms
from adapt.training.features.encode import head_logits, predict_logits, through
from adapt.training.features.pixels import Pixels, prepare
from adapt.training.features.store import FeatureStore
from adapt.training.parameters import in_encoder
from adapt.training.processes.group import active
from adapt.training.runtime import EXACT, inference_device
from adapt.training.settings import Runtime

VISUAL = "visual."
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
    pixels = prepare(images, start.backbone.preprocessing, runtime, keep=True)
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
    _check_alike(start, tuned)
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
    mixed.head = _head_between(mixed, start, tuned, alpha, _same_text(start, tuned))
    mixed.uncertainty = None  # thresholds belong to the weights they were chosen with
    if alpha not in (0, 1):
        mixed.low_rank = tuned.low_rank and tuned.low_rank.at(alpha)
    if refresh is unchanged or alpha in (0, 1) or same_encoders(start, tuned):
        return mixed
    return refresh(mixed)


def _check_alike(start: Classifier, tuned: Classifier) -> None:
    if start.class_names != tuned.class_names:
        pairs = zip(start.class_names, tuned.class_names, strict=False)
        first = next((f"{a!r} and {b!r}" for a, b in pairs if a != b), "their number")
        raise WeightsError(
            f"class names - differ - {first} - both models must have the same classes in the "
            "same order"
        )


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


def _head_between(
    mixed: Classifier, start: Classifier, tuned: Classifier, alpha: float, same_text: bool
) -> nn.Linear | CacheHead:
    """The head at `alpha` of a model that has the mixed encoders already.

    A head from text is made anew, unless both ends agree on it: then neither the text encoder nor
    the prompts changed, and what it would say is the head of the start, bit for bit.
    """
    head = _mix_heads(start.head, tuned.head, alpha).to(mixed.device)
    if same_text or alpha in (0, 1) or not (start.head_from_text and tuned.head_from_text):
        return head
    with torch.no_grad():
        weight = mixed.text_head()
        return linear_head(weight).to(mixed.device)


def _same_text(start: Classifier, tuned: Classifier) -> bool:
    """Whether prompts, text encoder, logit scale and head are equal."""
    first, second = (
        {
            name: value
            for name, value in plain_names(model.state_dict()).items()
            if name.startswith("head.") or not in_encoder(name, "image")
        }
        for model in (start, tuned)
    )
    return (
        (start.prompts, start.prompt_weights) == (tuned.prompts, tuned.prompt_weights)
        and first.keys() == second.keys()
        and all(torch.equal(value, second[name]) for name, value in first.items())
    )


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


class Line:
    """The models between two, in one working copy whose weights are replaced in place.

    With equal encoders only heads are mixed, on features of the start. Otherwise the copy stays on
    the device, and for each alpha no more is written to it than what differs between the two.

    Args:
        start: The model at alpha 0; its features are taken from the store.
        tuned: The model at alpha 1.
        runtime: Device, batch size and precision.
        store: Of features, shared by all that starts from `start`.
        refresh: What becomes of averages; see `mix`.
        stages: What keeps logits that took a pass over images.

    Raises:
        WeightsError: See `mix`.
    """

    def __init__(
        self,
        start: Classifier,
        tuned: Classifier,
        runtime: Runtime,
        store: KeepsFeatures | None = None,
        refresh: Refresh = unchanged,
        stages: KeepsStages = NOTHING_KEPT,
    ) -> None:
        _check_alike(start, tuned)
        self.start, self.tuned, self.refresh = start, tuned, refresh
        self._runtime, self._store = runtime, store or FeatureStore()
        self._stages = stages
        self.only_heads = same_encoders(start, tuned)
        self._working: _Working | None = None

    def logits(
        self, alpha: float, splits: Sequence[Split], exact: bool = False
    ) -> list[np.ndarray]:
        """Logits (N, K) of the model at `alpha` on each split; small ones share their batches.

        Args:
            alpha: From 0 to 1.
            splits: The images.
            exact: Compute in float32, whatever `runtime.inference_precision` says.
        """
        if not splits:
            return []
        runtime, pixels = self._runtime, Pixels.joined([split.pixels for split in splits])
        precision = EXACT if exact else runtime.inference_precision
        if alpha == 0 or self.only_heads:
            features = self._store.features(self.start.backbone, pixels, runtime, precision)
            logits = head_logits(self._head(alpha), features)
        else:
            how = precision, self.refresh is unchanged
            logits = self._stages.arrays(
                f"alpha-{alpha:g}",
                lambda: (self._ends.key, alpha, text_hash(" ".join(pixels.keys)), *how),
                lambda: {"logits": self._from_pixels(alpha, pixels, precision)},
            )["logits"]
        return np.split(logits, np.cumsum([len(split.targets) for split in splits])[:-1])

    def _head(self, alpha: float) -> nn.Linear | CacheHead:
        """The head at `alpha` where the encoders are those of both ends, as `mix` makes it."""
        return _head_between(self.tuned, self.start, self.tuned, alpha, self._ends.same_text)

    def at(self, alpha: float) -> Classifier:
        """The working copy at `alpha`, ready to predict; the next call changes it."""
        return self._copy().moved_to(alpha, self.refresh)

    def take_over(self, other: "Line") -> None:
        """Work on the copy of another line from the same start, which needs it no longer.

        So several lines take the memory of one copy, and for each no more is written to it than
        what differs from the start.
        """
        if other is not self and other._working is not None:
            left, other._working = other._working, None
            self._working = _Working.on(left.as_start(self.tuned), self._ends)

    @cached_property
    def _ends(self) -> "_Ends":
        """What differs between the two ends: looked for once."""
        return _Ends.between(self.start, self.tuned)

    def _copy(self) -> "_Working":
        if self._working is None:
            model = self.tuned.clone().to(inference_device(self._runtime)).eval()
            self._working = _Working.on(model, self._ends)
        return self._working

    def _from_pixels(self, alpha: float, pixels: Pixels, precision: str) -> np.ndarray:
        """Logits of the working copy; what lies before the first change is computed once."""
        model, cut = self.at(alpha), self._ends.cut
        encoder = model.backbone.image_encoder
        # Several processes share out whole batches, which saves more than the cut does.
        if cut is None or self.refresh is not unchanged or active() is not None:
            return predict_logits(model, pixels, self._runtime, precision)
        runtime = self._runtime
        hidden = self._store.activations(cut, model.backbone, pixels, runtime, precision)
        if hidden is None:
            return predict_logits(model, pixels, runtime, precision)
        features = through(
            lambda part: F.normalize(cut.after(encoder, part), dim=-1),
            (part.to(model.device) for part in hidden),
            model.device,
            precision,
            -(-len(pixels) // runtime.images),
        )
        return head_logits(model.head, torch.cat(list(features)))


@dataclass(frozen=True)
class _Ends:
    """Two models, and what differs between them."""

    start: Classifier
    tuned: Classifier
    before: dict[str, Tensor]
    """Tensors of the start that differ; buffers always, see `mix`."""
    after: dict[str, Tensor]
    same_text: bool
    cut: Cut | None
    """Where the image encoder can be cut so that no alpha changes what comes before."""

    @cached_property
    def key(self) -> str:
        """A hash of all that decides about the models between the two."""
        parts = {"before": self.before, "after": self.after}
        parts |= {"start": self.start.head.state_dict(), "tuned": self.tuned.head.state_dict()}
        named = {f"{part}.{n}": v for part, values in parts.items() for n, v in values.items()}
        spec, prompts = self.start.backbone.spec, (self.tuned.prompts, self.tuned.prompt_weights)
        text = (spec.base_hash, self.start.head_from_text, self.tuned.head_from_text, prompts)
        return text_hash(f"{text} {weights_hash(named)}")

    @classmethod
    def between(cls, start: Classifier, tuned: Classifier) -> "_Ends":
        """Compare them tensor by tensor."""
        first = plain_names(start.backbone.model.state_dict())
        second = plain_names(tuned.backbone.model.state_dict())
        buffers = {name for name, _ in tuned.backbone.model.named_buffers()}
        names = [n for n in first if n in buffers or not torch.equal(first[n], second[n])]
        before, after = ({n: s[n] for n in names} for s in (first, second))
        visual = [n.removeprefix(VISUAL) for n in names if n.startswith(VISUAL)]
        projected = tuned.backbone.features == start.backbone.features == PROJECTED
        cut = cut_before(tuned.backbone.image_encoder, visual) if projected else None
        return cls(start, tuned, before, after, _same_text(start, tuned), cut)


@dataclass
class _Working:
    """A copy whose weights are replaced, and what is written to it."""

    model: Classifier
    ends: _Ends
    before: dict[str, Tensor]
    after: dict[str, Tensor]
    alpha: float | None = None
    """Where it is, once it was moved."""

    @classmethod
    def on(cls, model: Classifier, ends: _Ends) -> "_Working":
        """With what differs on the device of the copy."""
        before, after = (
            {name: value.to(model.device) for name, value in part.items()}
            for part in (ends.before, ends.after)
        )
        return cls(model, ends, before, after)

    def as_start(self, tuned: Classifier) -> Classifier:
        """The copy with the encoders of the start, and the prompts of another model."""
        self._write(self.before)
        self.model.prompts, self.model.head_from_text = tuned.prompts, tuned.head_from_text
        return self.model

    def moved_to(self, alpha: float, refresh: Refresh) -> Classifier:
        """The copy with the weights at `alpha`: what `mix` gives, bit for bit."""
        if alpha != self.alpha:
            ends = self.ends
            self._write(interpolate(self.before, self.after, alpha))
            self.model.low_rank = None
            self.model.head = _head_between(
                self.model, ends.start, ends.tuned, alpha, ends.same_text
            )
            if alpha not in (0, 1):
                refresh(self.model)
            self.alpha = alpha
        return self.model

    def _write(self, values: dict[str, Tensor]) -> None:
        own = self.model.backbone.model.state_dict()
        with torch.no_grad():
            for name, value in values.items():
                own[name].copy_(value)
