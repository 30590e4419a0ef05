"""What each training image does to a logistic regression: influence functions.

Koh and Liang 2017 (arXiv:1703.04730). At the minimum of a smooth convex loss, leaving image i out
moves the weights by about the inverse of the second derivative times the slope of its loss. What
that does to a number which depends on the weights takes one linear equation for that number, not
one for each image. The order of images is nearly that of fits without them; the changes themselves
are a little too small, most for images that few others resemble.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import softmax

from adapt.common.arrays import FloatArray
from adapt.errors import RunError
from adapt.training.logistic import Logistic

TOLERANCE = 1e-8
"""What may be left of the right side of an equation, relative to it."""
MOST_PRODUCTS = 2000
AT_MINIMUM = 1e-7
"""What the last Newton step of a fit promises at most, as a fraction of the loss."""


@dataclass(frozen=True)
class Influence:
    """A fitted head, and what leaving out each image it was fitted on would change.

    The head is the minimum of `sum of cross-entropies + |W|^2 / (2 C)`; the bias is not penalised.

    Example:
        >>> x = np.array([[0.0], [1.0], [4.0], [5.0]])
        >>> of = Influence.fit(x, np.array([0, 0, 1, 1]), classes=2, strength=1.0)
        >>> of.on_margin(np.array([1.0]), 0, 1).round(2).tolist()  # the second helps most
        [-0.24, -0.62, 0.23, 0.03]
    """

    features: FloatArray
    """Of the N images that were fitted, (N, D)."""
    targets: np.ndarray
    """Their class numbers, (N,)."""
    weight: FloatArray
    """Shape (K, D)."""
    bias: FloatArray
    """Shape (K,)."""
    strength: float
    """scikit-learn's C."""

    @classmethod
    def fit(
        cls, features: np.ndarray, targets: np.ndarray, classes: int, strength: float
    ) -> "Influence":
        """Fit the head.

        Args:
            features: Shape (N, D).
            targets: Class numbers (N,).
            classes: Number of classes K.
            strength: scikit-learn's C.
        """
        x, y = np.asarray(features, np.float64), np.asarray(targets, np.int64)
        weight, bias = Logistic(x.astype(np.float32), y, classes).fit(strength, AT_MINIMUM)
        return cls(x, y, weight.astype(np.float64), bias.astype(np.float64), strength)

    def logits(self, features: np.ndarray) -> FloatArray:
        """Of the head on features (M, D): shape (M, K)."""
        return np.asarray(features @ self.weight.T + self.bias)

    def on_margin(self, feature: np.ndarray, answer: int, rival: int) -> FloatArray:
        """By how much the margin of an image changes when a training image is left out.

        Args:
            feature: Of the image, (D,).
            answer: Class number.
            rival: Class number; the margin is the logit of the answer minus that of the rival.

        Returns:
            Shape (N,). Below zero: the training image pulls the answer to where it is.
        """
        slope = np.zeros((len(self.bias), len(feature) + 1))
        slope[answer, :-1], slope[answer, -1] = feature, 1.0
        slope[rival] -= slope[answer]
        return self.without(slope)

    def on_error(self, features: np.ndarray, targets: np.ndarray) -> FloatArray:
        """By how much the error on other images changes when a training image is left out.

        The error is the mean probability that is not given to the label, `1 - p`: one of the other
        images whose own label is wrong does not decide, as it would with the cross-entropy (Ghosh
        et al. 2017, arXiv:1712.09482).

        Args:
            features: Of the other images, (M, D).
            targets: Their class numbers, (M,).

        Returns:
            Shape (N,). Below zero: without the training image the error is smaller, so it hurts.
        """
        other = _with_ones(np.asarray(features, np.float64))
        rows, excess = np.arange(len(targets)), softmax(self.logits(features), axis=1)
        own = excess[rows, targets].copy()
        excess[rows, targets] -= 1
        return self.without((own[:, None] * excess).T @ other / len(targets))

    def without(self, slope: FloatArray) -> FloatArray:
        """By how much a number changes, to first order, when each image is left out.

        Args:
            slope: Derivative of the number by weight and bias, (K, D + 1), the bias last.

        Returns:
            Shape (N,).

        Raises:
            RunError: When the equation could not be solved.
        """
        size = slope.size
        operator = LinearOperator((size, size), matvec=self._curved, dtype=np.float64)
        scale = LinearOperator((size, size), matvec=self._scaled, dtype=np.float64)
        solved, left = cg(operator, slope.ravel(), rtol=TOLERANCE, maxiter=MOST_PRODUCTS, M=scale)
        if left:
            raise RunError(
                f"influence - not computed - its equation is not solved after {left} steps, with "
                f"C {self.strength:g} - use a smaller C"
            )
        excess = self._probabilities.copy()
        excess[np.arange(len(self.targets)), self.targets] -= 1
        moved = self._inputs @ solved.reshape(slope.shape).T
        return np.asarray((excess * moved).sum(1))

    @cached_property
    def _inputs(self) -> FloatArray:
        return _with_ones(self.features)

    @cached_property
    def _probabilities(self) -> FloatArray:
        return np.asarray(softmax(self.logits(self.features), axis=1))

    def _curved(self, flat: np.ndarray) -> FloatArray:
        """The second derivative of the loss times a direction."""
        direction = flat.reshape(len(self.bias), -1)
        along = self._inputs @ direction.T
        p = self._probabilities
        bent = p * (along - (p * along).sum(1, keepdims=True))
        product = bent.T @ self._inputs
        product[:, :-1] += direction[:, :-1] / self.strength
        return np.asarray(product.ravel())

    def _scaled(self, flat: np.ndarray) -> FloatArray:
        """A direction divided by the diagonal of the second derivative."""
        return np.asarray(flat / self._diagonal)

    @cached_property
    def _diagonal(self) -> FloatArray:
        p = self._probabilities
        diagonal = (p * (1 - p)).T @ self._inputs**2
        diagonal[:, :-1] += 1 / self.strength
        return np.asarray(diagonal.ravel() + np.finfo(np.float64).tiny)


def _with_ones(features: FloatArray) -> FloatArray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


def harm(
    features: np.ndarray, targets: np.ndarray, classes: int, strength: float, folds: np.ndarray
) -> FloatArray:
    """How much each image hurts the images of the other folds.

    For each fold a head is fitted on the others, and the fold judges the images that were fitted.

    Args:
        features: Shape (N, D).
        targets: Class numbers (N,).
        classes: Number of classes K.
        strength: scikit-learn's C.
        folds: Fold of each image, numbers (N,) from 0 to F - 1, F at least 2.

    Returns:
        Shape (N,): by how much the error would fall without the image, on the mean over the folds
        that judge it.
    """
    x, y = np.asarray(features, np.float64), np.asarray(targets, np.int64)
    count = int(folds.max()) + 1
    hurts = np.zeros(len(y))
    for fold in range(count):
        held = folds == fold
        judged = Influence.fit(x[~held], y[~held], classes, strength)
        hurts[~held] -= judged.on_error(x[held], y[held]) / (count - 1)
    return hurts
