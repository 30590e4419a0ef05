"""One head made of the heads of several methods, each as sure as its own errors allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor, nn

from adapt.common.ranges import Ranges, at_least
from adapt.evaluation.metrics.calibration import LOWEST_TEMPERATURE, fit_temperature
from adapt.methods.auto.out_of_fold import Answer, answers_of, folds_of
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.named import feature_method
from adapt.methods.features.side_by_side import side_by_side
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.heads import linear_head

MIXTURE = "mixture"
MEMBERS = ("clap", "gda", "kernel_ridge")
FEW_MEMBERS = ("clap", "gda")
"""Members where no class has `ENOUGH` images: `kernel_ridge` then loses to a good text."""
WITHOUT_TEXT = ("gda", "kernel_ridge")
"""Members where zero-shot says nothing."""
ENOUGH = 4
"""Images of a class; why these members: docs/benchmarks/few_shot.md."""
FEWEST = 2
"""Members of a mixture."""


@register(MIXTURE)
@dataclass
class Mixture(HeadMethod):
    """The weighted sum of the logits of several methods: one head, no slower than each.

    Logits of support images under heads that were fitted without them say how sure each method may
    be: they are divided by the temperature that explains them best, and weighted by how well the
    sum then does. With one image per class nothing can be held out, and all count the same.
    """

    ranges = Ranges(shrink=at_least(0))
    composed = True

    members: list[str] = field(default_factory=list)
    """Methods on features, each with its defaults except `views`; one of them may keep support
    images. An empty list takes `clap` and `gda`, and `kernel_ridge` too where a class has four
    images; where all classes have the same text direction, so that zero-shot says nothing, it takes
    `gda` and `kernel_ridge`."""
    shrink: float = 0.1
    """How strongly the weights are pulled to equal ones, in nats for a squared difference of 1."""
    views: int = 1
    """Augmented views of each image; 1 is the evaluation view alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.members and len(set(self.members)) < max(FEWEST, len(self.members)):
            raise ValueError(
                f"members - not several methods - {self.members} - name two or more, each once"
            )
        for name in self.members:
            feature_method(name, "members")

    def methods(self, support: Support) -> dict[str, HeadMethod]:
        """The members that suit a support set, each with its defaults.

        Raises:
            ValueError: When one is no feature-space method.
        """
        few = int(torch.bincount(support.targets).max()) < ENOUGH
        with_text = FEW_MEMBERS if few else MEMBERS
        suited = self.members or (WITHOUT_TEXT if support.without_text else with_text)
        return {name: feature_method(name, "members") for name in suited}

    def head(self, support: Support) -> nn.Linear | CacheHead:
        """Weighted sums of the members' weights and biases, and the cache of one of them.

        Raises:
            ValueError: When several members keep support images.
        """
        methods = self.methods(support)
        answers = answers_of(support, methods, folds_of(support))
        return self.mixed(methods, answers).head(support)

    def held_out(self, support: Support) -> Answer | None:
        """What it answers for support images that its members were fitted without.

        Its two scales rest on all of them.

        Returns:
            Logits (M, K) and classes (M,); None where no class has two images.
        """
        methods = self.methods(support)
        answers = answers_of(support, methods, folds_of(support))
        return self.mixed(methods, answers).answer(answers) if answers else None

    def mixed(self, methods: Mapping[str, HeadMethod], answers: Mapping[str, Answer]) -> "Mixed":
        """The mixture whose scales suit answers of its members; all count the same without any.

        Args:
            methods: The members.
            answers: By member, for images that it was fitted without; empty where there are none.
        """
        if not answers:
            return Mixed(methods, dict.fromkeys(methods, 1 / len(methods)))
        logits = [answers[name][0] for name in methods]
        scales = mixing_scales(logits, answers[next(iter(methods))][1], self.shrink)
        return Mixed(methods, dict(zip(methods, scales, strict=True)))


@dataclass(frozen=True)
class Mixed:
    """A mixture whose scales are known."""

    methods: Mapping[str, HeadMethod]
    scales: dict[str, float]

    def answer(self, answers: Mapping[str, Answer]) -> Answer:
        """What it answers for images that its members answered."""
        total = sum(scale * answers[name][0] for name, scale in self.scales.items())
        return torch.as_tensor(total), answers[next(iter(self.scales))][1]

    def head(self, support: Support) -> nn.Linear | CacheHead:
        """The sum of the heads that the members fit, each times its scale.

        Raises:
            ValueError: When several of them keep support images.
        """
        fits = side_by_side([partial(own.head, support) for own in self.methods.values()])
        heads = dict(zip(self.methods, fits, strict=True))
        weight, bias = torch.zeros_like(support.zero_shot), torch.zeros(support.classes)
        for name, head in heads.items():
            weight += self.scales[name] * head.weight.detach()
            bias += self.scales[name] * head.bias.detach()
        caches = {name: head for name, head in heads.items() if isinstance(head, CacheHead)}
        if len(caches) > 1:
            raise ValueError(
                f"members - several that keep support images - {', '.join(caches)} - name one of "
                "them at most"
            )
        if not caches:
            return linear_head(weight, bias)
        [(name, cache)] = caches.items()
        return cache.beside(weight, bias, self.scales[name])


def mixing_scales(logits: Sequence[Tensor], targets: Tensor, shrink: float) -> list[float]:
    """What the logits of each method are multiplied by before they are added.

    A temperature for each, then weights that are not negative and minimise the cross-entropy of
    the sum plus `shrink * sum of squares of (weight - mean weight)`, then one temperature for all.
    Where every image is right, which any scale explains, the scales add up to 1.

    Args:
        logits: Of each method, for images that it was fitted without, (M, K).
        targets: Class numbers (M,).
        shrink: See `Mixture.shrink`.

    >>> good = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    >>> [scale > 0 for scale in mixing_scales([good, good], torch.tensor([0, 1, 0]), 1.0)]
    [True, True]
    """
    labels = targets.numpy()
    parts = [part.double().numpy() for part in logits]
    sure = np.array([1 / fit_temperature(part, labels) for part in parts])
    calibrated = np.stack([scale * part for scale, part in zip(sure, parts, strict=True)])
    weights = _weights(calibrated, labels, shrink)
    total = np.tensordot(weights, calibrated, 1)
    last = fit_temperature(total, labels)
    scales = weights * sure / (last if last > 2 * LOWEST_TEMPERATURE else (weights * sure).sum())
    return [float(scale) for scale in scales]


def _weights(calibrated: np.ndarray, labels: np.ndarray, shrink: float) -> np.ndarray:
    rows, count = np.arange(len(labels)), len(calibrated)
    own = calibrated[:, rows, labels]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_softmax(np.tensordot(weights, calibrated, 1), axis=1)
        apart = weights - weights.mean()
        expected = np.einsum("mnk,nk->mn", calibrated, np.exp(logs))
        slope = (expected - own).mean(1) + 2 * shrink * apart
        return float(-logs[rows, labels].mean() + shrink * (apart**2).sum()), slope

    begin = np.full(count, 1 / count)
    least = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=[(0, None)] * count)
    weights: np.ndarray = least.x if least.x.sum() > 0 else begin
    return weights
