"""Tip-Adapter: zero-shot plus votes of the support images, without training (arXiv:2207.09519)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.common.ranges import Ranges, above, at_least, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import Weights, best_setting, rounds
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead

RELEASED_BETA, RELEASED_ALPHA = 1.0, 1.17
PLAIN = Weights(1.0, 1.0)
BETAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@register("tip_adapter")
@dataclass
class TipAdapter(HeadMethod):
    """Add votes of the support images to zero-shot: `alpha * exp(-beta * (1 - f K^T)) V`.

    The keys K are the images' features, the mean of their views and made unit again; the values V
    say their classes. Nothing trains. A class without images gets no votes.
    """

    ranges = Ranges(beta=or_none(above()), alpha=or_none(at_least(0)))

    beta: float | None = None
    """How fast a vote falls with distance. None takes the one of 1, 2, 4, .. 32 with the most right
    answers on held-out support images, and the released code's 1 where each class has one image."""
    alpha: float | None = None
    """Strength of the votes. None chooses it likewise, with a common factor of both parts that
    changes no answer; the released code begins with 1.17 and searches on val."""
    views: int = 1
    """Augmented views of each image, of which a key is the mean; the paper takes 10. 1 is the
    evaluation view alone."""

    def head(self, support: Support) -> CacheHead:
        """The zero-shot head with the cache beside it."""
        return cache(support, *choose_votes(support, self.beta, self.alpha))


def cache(
    support: Support, beta: float, own: Weights = PLAIN, neighbours: int = 0, alone: bool = False
) -> CacheHead:
    """The votes of all images, and zero-shot.

    Args:
        support: The images, each of which votes for its class.
        beta: How fast a vote falls with distance.
        own: Strength of zero-shot and of the votes.
        neighbours: See `CacheHead`.
        alone: Leave zero-shot out.
    """
    text = (0.0 if alone else own.zero_shot) * support.zero_shot
    votes = own.evidence * F.one_hot(support.targets, support.classes).float()
    bias = torch.zeros(support.classes)
    return CacheHead(text, bias, support.features, votes, beta, neighbours)


def choose_votes(
    support: Support, beta: float | None, alpha: float | None
) -> tuple[float, Weights]:
    """Beta and the weights; what is None is chosen on held-out support images (`best_setting`)."""
    if beta is not None and alpha is not None:
        return beta, Weights(1.0, alpha)

    votes = held_out_votes(support)
    betas = BETAS if beta is None else (beta,)
    chosen = best_setting(support, betas, lambda setting: votes(setting, 0), alpha)
    if chosen is None:
        released = RELEASED_ALPHA if alpha is None else alpha
        return beta or RELEASED_BETA, Weights(1.0, released)
    best, own = chosen
    # Held-out images were voted on by the images of all rounds but one, others are by all.
    count = int(rounds(support).max()) + 1
    voters = 1.0 if alpha is not None else (count - 1) / count
    return best, Weights(own.zero_shot, own.evidence * voters)


def held_out_votes(support: Support) -> Callable[[float, int], tuple[Tensor, Tensor]]:
    """What the votes of other images say of each image; the cosines are computed once.

    Returns:
        From beta and neighbours (see `CacheHead`) to logits (M, K) of the images of all rounds,
        each by the images of other rounds, and their positions (M,) in the support.
    """
    number, labels = rounds(support), F.one_hot(support.targets, support.classes).float()
    images = (number >= 0).nonzero()[:, 0]
    features = support.features
    own = number[images, None] == number
    away = (1 - features[images] @ features.T).masked_fill(own, math.inf)

    def votes(beta: float, neighbours: int) -> tuple[Tensor, Tensor]:
        if not 0 < neighbours < len(number):
            return torch.exp(-beta * away).masked_fill(own, 0) @ labels, images
        near, which = away.topk(neighbours, dim=1, largest=False)
        # Where there are fewer others, images of the own round come last and have no vote.
        each = torch.exp(-beta * near).masked_fill(near.isinf(), 0)
        said = torch.zeros(len(images), support.classes)
        return said.scatter_add(1, support.targets[which], each), images

    return votes
