"""How much of what the support says is added to zero-shot: chosen inside the support set."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.methods.features.support import Support

ROUNDS = 10
FURTHEST = 6.0
SMALLEST = 1e-9
ROUNDING = 1e-6
"""Of a float32 logit, next to its size."""
SAME = 1e-6
"""Numbers of features that differ by less are one view of one image."""
Setting = TypeVar("Setting")


def rounds(support: Support, most: int = ROUNDS) -> Tensor:
    """The round of a cross-validation in which each image is held out.

    Each round holds out the same number of images of each class, as nearly as possible. Holding out
    one image at a time would leave its own class with fewer images than all others, and so speak
    against it: with two images per class that would be most of what is measured.

    Args:
        support: The images; their rounds depend on their features and on the seed alone.
        most: Largest number of rounds; fewer if the largest class has fewer images.

    Returns:
        Numbers (N,) from 0; -1 for the only image of its class, which is never held out.
    """
    features, targets = support.features.double(), support.targets
    generator = torch.Generator().manual_seed(support.seed)
    direction = torch.randn(features.shape[1], generator=generator, dtype=torch.double)
    order = (features @ direction).argsort()
    order = order[targets[order].argsort(stable=True)]
    count = torch.bincount(targets, minlength=support.classes)
    place = torch.empty_like(targets)
    place[order] = torch.arange(len(targets)) - (count.cumsum(0) - count)[targets[order]]
    return torch.where(count[targets] > 1, place % most, -1)


def held_out_logits(
    support: Support, fit: Callable[[Support], nn.Module], most: int = ROUNDS
) -> tuple[Tensor, Tensor]:
    """Logits of images under heads that were fitted without them.

    Args:
        support: The images.
        fit: From a part of them to a head; called once for each round.
        most: Largest number of rounds; see `rounds`.

    Returns:
        Logits (M, K) and the positions (M,) of their images in the support.
    """
    number, logits, positions = rounds(support, most), [], []
    for turn in range(int(number.max()) + 1):
        held = (number == turn).nonzero()[:, 0]
        with torch.no_grad():
            logits.append(fit(support.part(number != turn))(support.features[held]))
        positions.append(held)
    if not logits:
        return torch.empty(0, support.classes), torch.empty(0, dtype=torch.long)
    return torch.cat(logits), torch.cat(positions)


@dataclass(frozen=True)
class Weights:
    """What zero-shot and what the images say are multiplied by before they are added.

    Chosen inside a support set they make the sum as sure as it is right there. So heads of
    different parts of it have logits of one scale, also where zero-shot is useless and alpha has no
    limit: a temperature that suits heads of folds then suits the head of all images.
    """

    zero_shot: float
    evidence: float

    @property
    def alpha(self) -> float:
        """The weight of the evidence where that of zero-shot is 1."""
        return self.evidence / self.zero_shot


def best_weights(
    zero_shot: Tensor, evidence: Tensor, targets: Tensor, allowed: Tensor | None = None
) -> tuple[Weights, float]:
    """The weights under which zero-shot and evidence together explain held-out images best.

    Least cross-entropy over both, that is over alpha and a common temperature. Without the
    temperature alpha would be chosen to correct how sure zero-shot is; to count right answers
    instead is noisy with few images. Where zero-shot says the same of all classes, there is nothing
    to weigh it against: its weight is 1, and the evidence is made as sure as it is right.

    Args:
        zero_shot: Logits (M, K).
        evidence: What the support says of the same images, fitted without them (M, K).
        targets: Class numbers (M,).
        allowed: Mask (M, K) of the classes that an image may be of; all without it.

    Returns:
        The weights, and the cross-entropy under them in nats; 1 and 0, and NaN, where the evidence
        is the same for all classes.
    """
    mask = torch.ones_like(zero_shot, dtype=torch.bool) if allowed is None else allowed
    parts = torch.stack([_centred(part.double(), mask) for part in (zero_shot, evidence)])
    spread = parts.square().mean((1, 2)).sqrt()
    if float(spread[1]) < SMALLEST:
        return Weights(1.0, 0.0), math.nan
    # Equal rows of a head can give logits that differ by a rounding.
    silent = float(spread[0]) < max(SMALLEST, ROUNDING * float(zero_shot.abs().max()))
    spread[0] = math.inf if silent else spread[0]
    unit = parts / spread[:, None, None]
    # Over the logarithms of both factors, which keeps them positive; the loss is convex in the
    # factors, so there is one minimum. At unit spread a step means the same for both parts.
    logs = torch.zeros(2, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([logs], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        factors = logs.clamp(-FURTHEST, FURTHEST).exp()
        return F.cross_entropy(
            torch.tensordot(factors, unit, 1).masked_fill(~mask, -math.inf), targets
        )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    with torch.no_grad():
        first, second = (logs.clamp(-FURTHEST, FURTHEST).exp() / spread).tolist()
        return Weights(1.0 if silent else first, second), float(loss())


def held_out_weights(
    support: Support, fit: Callable[[Support], nn.Module], most: int = ROUNDS
) -> Weights | None:
    """Those of `best_weights` for what heads say that were fitted without the images.

    Args:
        support: The images.
        fit: From a part of them to a head, which says nothing of zero-shot.
        most: Largest number of rounds; see `rounds`.

    Returns:
        None where no class has two images.
    """
    evidence, images = held_out_logits(support, fit, most)
    if not len(images):
        return None
    zero_shot = support.features[images] @ support.zero_shot.T
    return best_weights(zero_shot, evidence, support.targets[images])[0]


def best_setting(
    support: Support,
    settings: Iterable[Setting],
    evidence_of: Callable[[Setting], tuple[Tensor, Tensor]],
    fixed: float | None = None,
) -> tuple[Setting, Weights] | None:
    """The setting, and its weights, with the most right answers on held-out support images.

    Of equal ones the one with less cross-entropy, then the first. None where no image can be held
    out, because each class has only one.

    Args:
        support: The images.
        settings: What to try.
        evidence_of: From a setting to what the images say of held-out ones, without zero-shot:
            logits and positions as of `held_out_logits`.
        fixed: Alpha under which settings are judged; None chooses the best for each.
    """
    best: tuple[tuple[float, float], Setting, Weights] | None = None
    for setting in settings:
        evidence, images = evidence_of(setting)
        if not len(images):
            return None
        zero_shot, targets = support.features[images] @ support.zero_shot.T, support.targets[images]
        if fixed is None:
            weights, loss = best_weights(zero_shot, evidence, targets)
        else:
            loss = float(F.cross_entropy(zero_shot + fixed * evidence, targets))
            weights = Weights(1.0, fixed)
        said = zero_shot + weights.alpha * evidence
        right = float((said.argmax(1) == targets).double().mean())
        if best is None or (right, -loss) > best[0]:
            best = (right, -loss), setting, weights
    return None if best is None else best[1:]


def _centred(part: Tensor, mask: Tensor) -> Tensor:
    part = part.where(mask, 0.0)
    return (part - part.sum(1, keepdim=True) / mask.sum(1, keepdim=True)).where(mask, 0.0)


def fill_classes(weight: Tensor, bias: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Give classes without an image the mean of what the support says of the others.

    So the images speak neither for nor against such a class, and zero-shot decides.

    Args:
        weight: Evidence of each class (K, D); rows of classes without an image are replaced.
        bias: The same (K,).
        targets: Class numbers (N,) of the images.
    """
    empty = torch.bincount(targets, minlength=len(weight)) == 0
    weight, bias = weight.clone(), bias.clone()
    weight[empty], bias[empty] = weight[~empty].mean(0), bias[~empty].mean()
    return weight, bias


def class_means(support: Support) -> Tensor:
    """The mean feature (K, D) of each class over all views, float64; zero without an image."""
    features, targets = support.all_views
    sums = torch.zeros(support.classes, features.shape[1], dtype=torch.double)
    sums.index_add_(0, targets, features.double())
    count = torch.bincount(targets, minlength=support.classes)
    return sums / count.clamp(min=1)[:, None]


def deviations(support: Support) -> tuple[Tensor, int]:
    """Features of all views as seen from the means of their classes, float64.

    Where no class has two images or views that differ, they are seen from the mean of all.

    Returns:
        Deviations (V * N, D), and their degrees of freedom: samples less means, at least 1.
    """
    features, targets = support.all_views
    features = features.double()
    away, means = features - class_means(support)[targets], len(targets.unique())
    if float(away.abs().max()) < SAME:
        away, means = features - features.mean(0), 1
    return away, max(1, len(features) - means)
