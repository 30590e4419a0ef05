"""Logistic regressions of several labels: one for each class, yes against no."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor

from adapt.common.arrays import FloatArray
from adapt.methods.features.support import Support
from adapt.training.logistic import climb

TOLERANCE = 1e-5
"""Largest slope of the mean loss at which a fit ends."""


@dataclass
class OneVsRest:
    """Features and labels, to be fitted with several strengths of regularisation.

    Minimises `sum of binary cross-entropies + |W - anchor|^2 / (2 C)`; biases are not penalised.
    For each class that is scikit-learn's `LogisticRegression(C=C)`, without an anchor.
    """

    features: FloatArray
    """Shape (N, D)."""
    targets: FloatArray
    """Shape (N, K), 0 or 1."""
    anchor: FloatArray
    """Where W starts and is pulled to, shape (K, D)."""
    iterations: int = 1000
    """Most steps of a fit."""
    _last: FloatArray | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, support: Support, anchor: np.ndarray | None, iterations: int = 1000) -> "OneVsRest":
        """Those of all views of a support set; zeros are the anchor where none is given."""
        features, targets = (part.numpy().astype(np.float64) for part in support.all_views)
        pulled = np.zeros(support.zero_shot.shape) if anchor is None else anchor
        return cls(features, targets, np.asarray(pulled, np.float64), iterations)

    def fit(self, strength: float) -> tuple[Tensor, Tensor]:
        """Weight (K, D) and bias (K,), float32, at the minimum.

        Args:
            strength: scikit-learn's C.
        """
        classes, width = self.anchor.shape
        # Centred features keep weights and biases apart, which makes the way to the minimum short.
        centre = self.features.mean(axis=0)
        centred, base = self.features - centre, self.features @ self.anchor.T
        count = len(centred)

        def loss(point: FloatArray) -> tuple[float, FloatArray]:
            change = point.reshape(classes, width + 1)
            logits = centred @ change[:, :-1].T + change[:, -1] + base
            wrong = (expit(logits) - self.targets) / count
            slope = np.empty_like(change)
            slope[:, :-1] = wrong.T @ centred + change[:, :-1] / (strength * count)
            slope[:, -1] = wrong.sum(axis=0)
            value = (np.logaddexp(0, logits) - self.targets * logits).sum() / count
            value += (change[:, :-1] ** 2).sum() / (2 * strength * count)
            return float(value), slope.ravel()

        begin = np.zeros(classes * (width + 1)) if self._last is None else self._last
        limits = {"maxiter": self.iterations, "gtol": TOLERANCE, "ftol": 0.0, "maxcor": 20}
        solved = minimize(loss, begin, jac=True, method="L-BFGS-B", options=limits)
        self._last = solved.x
        change = solved.x.reshape(classes, width + 1)
        weight, bias = self.anchor + change[:, :-1], change[:, -1] - change[:, :-1] @ centre
        return torch.from_numpy(weight).float(), torch.from_numpy(bias).float()

    def part(self, rows: np.ndarray) -> "OneVsRest":
        """The same on some of the images."""
        return OneVsRest(self.features[rows], self.targets[rows], self.anchor, self.iterations)

    def search(self, support: Support, strengths: Sequence[float], folds: int) -> float:
        """C under which held-out labels are most likely: those of `val`, or of folds without it.

        Args:
            support: The images, whose val counts.
            strengths: Ascending values to try.
            folds: How many, where there are no val images.
        """
        if support.val is not None:
            features, targets = (part.numpy() for part in support.val)
            pairs = [(self, features, targets)]
        else:
            number = _folds(support, folds)
            whole = support.features.numpy(), support.targets.numpy()
            pairs = []
            for fold in range(folds):
                held = number == fold
                rest = self.part(np.tile(~held, len(support.views)))
                pairs.append((rest, whole[0][held], whole[1][held]))

        def likelihood(strength: float) -> float:
            return float(np.mean([_likelihood(*pair, strength) for pair in pairs if len(pair[1])]))

        return climb(likelihood, strengths)


def _folds(support: Support, folds: int) -> np.ndarray:
    """Fold of each image, by the seed."""
    generator = torch.Generator().manual_seed(support.seed)
    order = torch.randperm(len(support.targets), generator=generator).numpy()
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order)) % folds
    return number


def _likelihood(
    problem: OneVsRest, features: np.ndarray, targets: np.ndarray, strength: float
) -> float:
    weight, bias = problem.fit(strength)
    logits = features @ weight.numpy().T + bias.numpy()
    return -float((np.logaddexp(0, logits) - targets * logits).mean())
