"""Multinomial logistic regression on features, with a penalty that pulls to any head."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from adapt.common.arrays import FloatArray

WORTH_THREADS = 10**9
"""Products in a sum over images from which several threads are worth it. The pools of numpy and
scipy take turns here and wait on each other: with two threads a small fit took three times as long
as with one."""
Solution = tuple[np.ndarray, np.ndarray]
"""Weight (K, D) and bias (K,), float32."""


class Logistic:
    """One set of features and labels, to be fitted with several strengths of regularisation.

    Minimises `sum of cross-entropies + |W - anchor|^2 / (2 C)`; the bias is not penalised. Without
    an anchor this is scikit-learn's `LogisticRegression(C=C)`; for two classes, where scikit-learn
    penalises one vector instead of two, its `C=2 * C`.

    L-BFGS in coordinates where the curvature is the identity if all classes are equally likely
    (compare Boehning's bound, 1992): about a quarter of the steps that plain coordinates take. What
    every strength needs is computed once, and a fit starts where the last one ended.
    """

    def __init__(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        classes: int,
        anchor: np.ndarray | None = None,
        class_weights: np.ndarray | None = None,
        precision: type[np.floating] = np.float64,
    ) -> None:
        """Prepare.

        Args:
            features: Shape (N, D).
            targets: Class of each image, shape (N,).
            classes: Number of classes K.
            anchor: Where W starts and is pulled to, shape (K, D); zero if None.
            class_weights: Factor (K,) on the cross-entropy of an image of each class; 1 if None.
            precision: Of the sums over images; single is twice as fast, and near enough to choose
                a strength.
        """
        x = np.asarray(features, precision)
        self._y, self._classes = np.asarray(targets), classes
        factor = np.ones(classes) if class_weights is None else np.asarray(class_weights, float)
        self._factor = factor[self._y].astype(precision)
        self._base = None if anchor is None else x @ np.asarray(anchor, precision).T
        self._anchor = np.zeros((classes, x.shape[1])) if anchor is None else np.asarray(anchor)
        self._mass = float(self._factor.sum())
        self._centre = (self._factor @ x) / precision(self._mass)
        # With centred features the curvature does not mix W and the bias.
        self._x = x - self._centre
        self._curvature, self._axes = _curvature(self._x * np.sqrt(self._factor)[:, None])
        # In the axes of the curvature: of a direction without features nothing is to be learned.
        self._offset = np.zeros((classes, self._axes.shape[1]))
        self._bias = np.zeros(classes)

    def fit(self, strength: float, iterations: int = 1000, tolerance: float = 1e-10) -> Solution:
        """The head at the minimum.

        Args:
            strength: scikit-learn's C.
            iterations: Most steps.
            tolerance: Stops when a step lowers the loss by less than this fraction of it.
        """
        # In these coordinates the loss bends alike in every direction while the classes are about
        # equally likely, so the first steps of L-BFGS have the right length in all of them.
        scales = 1 / (self._curvature / (2 * self._classes) + 1 / strength)
        step = np.sqrt(2 * self._classes / self._mass)
        turned = (self._axes * np.sqrt(scales)).astype(self._x.dtype)
        ones = np.full((len(self._x), 1), step, self._x.dtype)
        loss = self._loss(np.hstack([self._x @ turned, ones]), np.append(scales, 0) / strength)
        start = np.hstack([self._offset / np.sqrt(scales), self._bias[:, None] / step])
        options = {"maxiter": iterations, "ftol": tolerance, "gtol": 1e-9, "maxcor": 20}
        threads = 1 if self._x.size * self._classes < WORTH_THREADS else None
        with threadpool_limits(threads, user_api="blas"):
            result = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options=options)
        inside = result.x.reshape(self._classes, -1)
        self._offset, self._bias = inside[:, :-1] * np.sqrt(scales), inside[:, -1] * step
        moved = self._offset @ self._axes.T
        bias = self._bias - moved @ self._centre
        return (self._anchor + moved).astype(np.float32), bias.astype(np.float32)

    def _loss(
        self, design: np.ndarray, penalty: np.ndarray
    ) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        rows = np.arange(len(design))

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            inside = flat.reshape(self._classes, -1)
            logits = design @ inside.astype(design.dtype).T
            logs = log_softmax(logits if self._base is None else self._base + logits, axis=1)
            total = -float((self._factor * logs[rows, self._y]).sum(dtype=np.float64))
            # The slope of a cross-entropy in its logits: probabilities minus the one-hot label.
            slopes = np.exp(logs)
            slopes[rows, self._y] -= 1
            gradient = ((slopes * self._factor[:, None]).T @ design).astype(np.float64)
            pull = penalty * inside
            return total + 0.5 * float((pull * inside).sum()), (gradient + pull).ravel()

        return loss


def climb(score: Callable[[float], float], values: Sequence[float]) -> float:
    """The best of ascending values, looked for from the middle for as long as it gets better.

    Args:
        score: Higher is better; called once per value tried.
        values: Such as strengths.

    >>> climb(lambda c: -abs(c - 25), (1.0, 3.0, 10.0, 30.0, 100.0))
    30.0
    """
    known: dict[int, float] = {}

    def worth(point: int) -> float:
        if point not in known:
            known[point] = score(values[point])
        return known[point]

    best = len(values) // 2
    while True:
        near = [point for point in (best - 1, best + 1) if 0 <= point < len(values)]
        better = max(near, key=worth)
        if worth(better) <= worth(best):
            return values[best]
        best = better


def _curvature(centred: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues (R,) and orthonormal columns (D, R) of `centred.T @ centred`."""
    count, width = centred.shape
    if count < width:
        _, lengths, axes = np.linalg.svd(centred.astype(np.float64), full_matrices=False)
        return lengths**2, axes.T
    values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    return np.maximum(values, 0), vectors
