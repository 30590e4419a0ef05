"""Tip-Adapter: zero-shot plus votes of the support images, without training (arXiv:2207.09519)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.image_data import ImageData
from adapt.methods.base import check_ranges, register
from adapt.methods.features.base import fit_head, head_only
from adapt.methods.features.cross_validation import best_setting
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.classifier import Classifier
from adapt.training.context import Context

RELEASED_BETA, RELEASED_ALPHA = 1.0, 1.17
BETAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@register("tip_adapter")
@dataclass
class TipAdapter:
    """Add votes of the support images to zero-shot: `alpha * exp(-beta * (1 - f K^T)) V`.

    The keys K are the images' features, the mean of their views and made unit again; the values V
    say their classes. Nothing trains. A class without images gets no votes.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    beta: float | None = None
    """How fast a vote falls with distance. None takes the one of 1, 2, 4, .. 32 with the most right
    answers on held-out support images, and the released code's 1 where each class has one image."""
    alpha: float | None = None
    """Strength of the votes. None chooses it likewise; the released code begins with 1.17 and
    searches on val."""
    views: int = 1
    """Augmented views of each image, of which a key is the mean; the paper takes 10. 1 is the
    evaluation view alone."""

    def __post_init__(self) -> None:
        checks = {
            "beta": (self.beta is None or self.beta > 0, "give null (choose) or above 0"),
            "alpha": (self.alpha is None or self.alpha >= 0, "give null (choose) or 0 or more"),
            "views": (self.views >= 1, "give 1 or more"),
        }
        check_ranges(self, checks)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head alone is fitted."""
        return head_only(start)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Put a head with the support set on a copy of the start."""
        return fit_head(self, start, data, context)

    def head(self, support: Support) -> CacheHead:
        """The zero-shot head with the cache beside it."""
        beta, alpha = choose_votes(support, self.beta, self.alpha)
        return cache(support, beta, alpha)


def votes_of(support: Support) -> Tensor:
    """What each image votes for, one-hot (N, K)."""
    return F.one_hot(support.targets, support.classes).float()


def cache(support: Support, beta: float, alpha: float) -> CacheHead:
    """Zero-shot and the votes of all images.

    >>> support = Support(torch.eye(2)[None], torch.tensor([0, 1]), torch.eye(2))
    >>> cache(support, 1.0, 2.0)(torch.eye(2))[0].tolist()
    [3.0, 0.735...]
    """
    bias = torch.zeros(support.classes)
    values = alpha * votes_of(support)
    return CacheHead(support.zero_shot, bias, support.features, values, beta)


def choose_votes(support: Support, beta: float | None, alpha: float | None) -> tuple[float, float]:
    """Beta and alpha; what is None is chosen on held-out support images (`fusion.best_setting`)."""
    if beta is not None and alpha is not None:
        return beta, alpha
    chosen = best_setting(support, BETAS if beta is None else (beta,), votes_alone, alpha)
    best, strength = chosen or (beta or RELEASED_BETA, RELEASED_ALPHA)
    return best, strength if alpha is None else alpha


def votes_alone(support: Support, setting: float, neighbours: int = 0) -> CacheHead:
    """The votes of all images at a beta, without zero-shot.

    Args:
        support: The images.
        setting: Beta.
        neighbours: See `CacheHead`.
    """
    nothing = torch.zeros_like(support.zero_shot)
    keys, values = support.features, votes_of(support)
    return CacheHead(nothing, nothing[:, 0], keys, values, setting, neighbours)
