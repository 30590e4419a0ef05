"""Gaussian discriminant analysis on features, added to zero-shot (arXiv:2402.04087)."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from adapt.common.ranges import Ranges, at_least, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import (
    Weights,
    best_weights,
    class_means,
    deviations,
    fill_classes,
    rounds,
)
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

UNCHOSEN = 0.01
FEWEST_TO_HALVE = 4
Numbers: TypeAlias = tuple[Tensor, Tensor]
"""Weight (K, D) and bias (K,)."""


@register("gda")
@dataclass
class GDA(HeadMethod):
    """One Gaussian per class with one shared covariance, and zero-shot beside it.

    Logits are `zero_shot + alpha * (f W + b)`: a linear head, found without training. `W` holds the
    class means under the pooled precision, estimated as `D (S + t I)^-1` with `S` the scatter
    of the features around their class means and `t` the trace of the covariance, for features of
    width D; `b` is `log 1/K - mean W / 2`. Each view counts as an image. A class without an image
    gets the mean W and b of the others: zero-shot decides. Where no class has two images or views,
    the scatter is taken around the mean of all.
    """

    ranges = Ranges(alpha=or_none(at_least(0)))

    alpha: float | None = None
    """Weight of what the images say. None chooses it inside the support set (`choose_weights`),
    with a common factor of both parts that changes no answer, and takes 0.01 where each class has
    one image. The paper searches 0.0001 to 100 on val."""
    views: int = 1
    """Augmented views of each image, all of which count; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """The fused head; see the class."""
        weight, bias = evidence(support)
        own = choose_weights(support) if self.alpha is None else Weights(1.0, self.alpha)
        fused = own.zero_shot * support.zero_shot + own.evidence * weight.float()
        return linear_head(fused, own.evidence * bias.float())


def evidence(support: Support) -> Numbers:
    """`W` (K, D) and `b` (K,) in float64, those of classes without an image filled in."""
    return fill_classes(*_discriminants(class_means(support), precision(support)), support.targets)


def _discriminants(means: Tensor, inverse: Tensor) -> Numbers:
    weight = means @ inverse
    return weight, -math.log(len(means)) - (weight * means).sum(1) / 2


def precision(support: Support, images: int = 0) -> Tensor:
    """The paper's estimate of the inverse covariance (D, D) around class means, in float64.

    Args:
        support: The images.
        images: Scale the scatter to this number of images; 0 takes it as it is.
    """
    centred, _ = deviations(support)
    # D (S + t I)^-1 is (S / D + t / D I)^-1: a mean variance is added in every direction, so that
    # it can be inverted with fewer images than the features are wide.
    scatter, width = centred.T @ centred, centred.shape[1]
    ridge = scatter.trace() / max(1, len(centred) - 1)
    if images:
        scatter = scatter * images / len(support.targets)
    regular = scatter + ridge * torch.eye(width, dtype=torch.double)
    factor, failed = torch.linalg.cholesky_ex(regular)
    # All features alike: there is no variance, and nothing to invert.
    inverse: Tensor = (
        torch.linalg.pinv(regular, hermitian=True) if failed else torch.cholesky_inverse(factor)
    )
    return width * inverse


def choose_weights(support: Support) -> Weights:
    """The weights under which held-out images are explained best.

    The classes are halved: an image is told from the other classes of its half, whose means leave
    out its round (see `rounds`), under the precision of the other half. So two images per class
    are enough, and no image is in what it is judged by. With fewer than four classes the
    precision too is that of the images of other rounds.
    """
    number = rounds(support)
    logits, allowed, held = [], [], []
    for classes in _groups(support):
        own = classes[support.targets]
        apart = None if own.all() else precision(support.part(~own), len(number))
        for turn in range(int(number[own].max()) + 1):
            rest = support.part(own & (number != turn))
            inverse = precision(rest, len(number)) if apart is None else apart
            weight, bias = _discriminants(class_means(rest), inverse)
            held.append((own & (number == turn)).nonzero()[:, 0])
            logits.append(support.features[held[-1]].double() @ weight.T + bias)
            allowed.append(classes.expand(len(held[-1]), -1))
    if not held:
        return Weights(1.0, UNCHOSEN)
    images = torch.cat(held)
    zero_shot = support.features[images] @ support.zero_shot.T
    return best_weights(zero_shot, torch.cat(logits), support.targets[images], torch.cat(allowed))[
        0
    ]


def _groups(support: Support) -> list[Tensor]:
    """Masks (K,) of two random halves of the classes with images, or of all where they are few."""
    present = torch.unique(support.targets)
    generator = torch.Generator().manual_seed(support.seed)
    places = torch.randperm(len(present), generator=generator)
    parts = 2 if len(present) >= FEWEST_TO_HALVE else 1
    none = torch.zeros(support.classes, dtype=torch.bool)
    return [none.scatter(0, present, places % parts == half) for half in range(parts)]
