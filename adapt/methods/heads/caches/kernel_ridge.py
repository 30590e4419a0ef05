"""Kernel ridge regression on whitened features, beside zero-shot."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.common.ranges import Ranges, above, at_least, or_none
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import Weights, deviations, held_out_weights
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead

UNCHOSEN = 1.0
SURENESS = 10.0
"""Shares are from 0 to 1; times this they are about as sure as they are right."""
ROUNDS = 3
"""Rounds in which alpha is chosen: each solves for all images of the others."""


@register("kernel_ridge")
@dataclass
class KernelRidge(HeadMethod):
    """Zero-shot plus `10 alpha` times a regression of the classes on the images.

    Features are seen from their mean and whitened by how images of one class differ,
    `(S + trace(S) / n I)^(-1/2)` with S the scatter around class means and n its degrees of
    freedom, then made unit again. A query at distance d from a support image has the kernel
    `exp(-beta d^2 / 2)` with it; kernel ridge regression (Saunders et al. 1998) tells the share of
    each class: coefficients `(K + ridge I)^-1 (one-hot - mean)`, and the mean added again. That is
    a cache of support images, some of which vote against a class. A class without an image gets
    the mean of what the images say of the others: zero-shot decides. With one image per class the
    scatter is taken around the mean of all.
    """

    ranges = Ranges(beta=above(), ridge=at_least(1e-6), alpha=or_none(at_least(0)))

    beta: float = 4.0
    """How fast the kernel falls with distance."""
    ridge: float = 0.1
    """How far the regression may stay from the classes of its own images."""
    alpha: float | None = None
    """Strength of what the images say. None chooses it on held-out support images, with a common
    factor of both parts that changes no answer, and takes 1 where each class has one image."""
    views: int = 1
    """Augmented views of each image: all of them whiten, and their mean is what a query is compared
    with; 1 is the evaluation view alone."""

    def head(self, support: Support) -> CacheHead:
        """The zero-shot head with the regression beside it."""
        said = self.regression(support)
        own = self.choose_weights(support) if self.alpha is None else Weights(1.0, self.alpha)
        text = own.zero_shot * support.zero_shot
        return said.beside(text, own.evidence * said.bias.detach(), own.evidence)

    def regression(self, support: Support) -> CacheHead:
        """What the images say without zero-shot: about ten times the share of each class."""
        matrix, mean = whitening(support)
        keys = F.normalize((support.features.double() - mean) @ matrix.T, dim=1)
        kernel = torch.exp(-self.beta * (1 - keys @ keys.T))
        kernel.diagonal().add_(self.ridge)
        classes = F.one_hot(support.targets, support.classes).double()
        share = classes.mean(0)
        coefficients = torch.cholesky_solve(classes - share, torch.linalg.cholesky(kernel))
        there = share > 0
        bias = torch.where(there, share, share[there].mean())
        space = matrix.float(), mean.float()
        text = torch.zeros_like(support.zero_shot)
        bias, values = (SURENESS * part.float() for part in (bias, coefficients))
        return CacheHead(text, bias, keys.float(), values, self.beta, 0, space)

    def choose_weights(self, support: Support) -> Weights:
        """The weights under which held-out support images are explained best."""
        return held_out_weights(support, self.regression, ROUNDS) or Weights(1.0, UNCHOSEN)


def whitening(support: Support) -> tuple[Tensor, Tensor]:
    """Matrix (D, D) and mean (D,), float64.

    Of the matrices whose square is the inverse of the regularised scatter the triangular one is
    taken, which costs least: only angles between whitened features count, and those are the same
    for all.
    """
    away, freedom = deviations(support)
    scatter = away.T @ away
    ridge = scatter.trace() / freedom
    if float(ridge) == 0:  # all features alike
        ridge = torch.ones((), dtype=torch.double)
    scatter.diagonal().add_(ridge)
    identity = torch.eye(len(scatter), dtype=torch.double)
    # Times the root of the ridge, which changes no angle, it is of the size of the identity.
    matrix = ridge.sqrt() * torch.linalg.solve_triangular(
        torch.linalg.cholesky(scatter), identity, upper=False
    )
    return matrix, support.features.double().mean(0)
