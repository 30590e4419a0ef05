"""Multinomial logistic regression on features, with a penalty that pulls to any head."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.training.newton import ConvexProblems, Product, minimise

WORTH_THREADS = 2 * 10**8
"""Products in a sum over images from which several threads are worth it: they wait for each other
after every sum, which takes many times as long as the sum where another process needs a core."""
AT_ONCE = 2 * 10**7
"""Most probabilities that are computed at once: 80 MB of them in single precision."""
NOTHING = 1e-20
"""Probabilities below this count as zero: processors are slow with the smallest numbers."""
LEAST_CURVATURE = 0.01
"""As a fraction of its bound; what is already learned hardly bends any more."""
ROUGH = 1e-2
"""To this tolerance a fit goes by gradients in single precision, and further by double ones."""
EASY = 1.0
"""Above this C a first fit begins where one with a tenth of it ended."""
Solution = tuple[np.ndarray, np.ndarray]
"""Weight (K, D) and bias (K,), float32."""


class Logistic:
    """One set of features and labels, to be fitted with several strengths of regularisation.

    Minimises `sum of cross-entropies + |W - anchor|^2 / (2 C)`; the bias is not penalised. Without
    an anchor this is scikit-learn's `LogisticRegression(C=C)`; for two classes, where scikit-learn
    penalises one vector instead of two, its `C=2 * C`.

    Newton's method in the axes of the features' covariance, where the curvature is almost diagonal.
    What all strengths and folds need is computed once, folds are fitted together, and a fit starts
    where that of the nearest strength ended.
    """

    def __init__(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        classes: int,
        anchor: np.ndarray | None = None,
        class_weights: np.ndarray | None = None,
        folds: np.ndarray | None = None,
    ) -> None:
        """Prepare.

        Args:
            features: Shape (N, D).
            targets: Class of each image, shape (N,).
            classes: Number of classes K.
            anchor: Where W starts and is pulled to, shape (K, D); zero if None.
            class_weights: Factor (K,) on the cross-entropy of an image of each class; 1 if None.
            folds: The fold in which each image is held out, numbers (N,) from 0; -1 for never.
                None for one fit on all images.
        """
        self._features = torch.as_tensor(np.asarray(features))
        self._y = torch.as_tensor(np.asarray(targets, np.int64))
        self._classes = classes
        self._anchor = None if anchor is None else torch.as_tensor(np.asarray(anchor)).double()
        weights = np.ones(classes) if class_weights is None else np.asarray(class_weights, float)
        self._factor = torch.as_tensor(weights)[self._y][None]
        if folds is not None:
            held = torch.as_tensor(np.asarray(folds, np.int64))
            self._factor = self._factor * (held != torch.arange(int(held.max()) + 1)[:, None])
        # With centred features the curvature does not mix W and the bias.
        self._centre = self._features.double().mean(0)
        with self._threads():
            self._axes = _axes(self._centred(torch.float32))
        self._parts: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}
        self._known: dict[float, Tensor] = {}

    def fit(self, strength: float, tolerance: float = 1e-10, iterations: int = 1000) -> Solution:
        """The head at the minimum; with folds that without the first one. See `fits`."""
        return self.fits(strength, tolerance, iterations)[0]

    def fits(
        self, strength: float, tolerance: float = 1e-10, iterations: int = 1000
    ) -> list[Solution]:
        """The heads at the minima: for each fold one that was fitted without it.

        Args:
            strength: scikit-learn's C.
            tolerance: See `minimise`.
            iterations: Most Newton steps.
        """
        with self._threads():
            points = self._points(strength, tolerance, iterations)
            points = points.unflatten(1, (self._classes, -1))
            weight = points[..., :-1] @ self._axes.T.to(points.dtype)
            bias = points[..., -1] - weight @ self._centre.to(points.dtype)
        if self._anchor is not None:
            weight = weight + self._anchor.to(points.dtype)
        return [(w.float().numpy(), b.float().numpy()) for w, b in zip(weight, bias, strict=True)]

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """One thread inside where the sums are small."""
        before = torch.get_num_threads()
        if self._features.numel() * self._classes * len(self._factor) < WORTH_THREADS:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    def _points(self, strength: float, tolerance: float, iterations: int) -> Tensor:
        """The minima (F, K * (R + 1)) in the coordinates of `_Losses`."""
        points = torch.zeros(len(self._factor), self._classes * (self._axes.shape[1] + 1))
        if not self._known and strength > EASY:
            # From afar Newton's steps go wrong where probabilities are almost 0 or 1.
            self._points(strength / 10, ROUGH, iterations)
        if self._known:
            near = min(self._known, key=lambda known: abs(math.log(known / strength)))
            points = self._known[near]
        size = max(1, AT_ONCE // (len(self._y) * self._classes))
        folds = torch.arange(len(points)).split(size)
        parts = [
            self._minimum(strength, fold, points[fold], tolerance, iterations) for fold in folds
        ]
        raw = torch.cat(parts).unflatten(1, (self._classes, -1))
        # To add the same to every class changes no probability; the minimum has a mean of zero.
        self._known[strength] = (raw - raw.mean(1, keepdim=True)).flatten(1)
        return self._known[strength]

    def _minimum(
        self, strength: float, folds: Tensor, start: Tensor, tolerance: float, iterations: int
    ) -> Tensor:
        single = self._losses(torch.float32, strength, folds)
        points = minimise(single, start, max(tolerance, ROUGH), iterations)
        if tolerance >= ROUGH:
            return points
        exact = self._losses(torch.float64, strength, folds)
        return minimise(single, points, tolerance, iterations, exact, remainder=0.1)

    def _losses(self, kind: torch.dtype, strength: float, folds: Tensor) -> "_Losses":
        if kind not in self._parts:
            turned = self._centred(kind) @ self._axes.to(kind)
            turned = torch.cat([turned, turned.new_ones(len(turned), 1)], 1)
            base = None
            if self._anchor is not None:
                base = self._features.to(kind) @ self._anchor.to(kind).T
            self._parts[kind] = turned, base
        turned, base = self._parts[kind]
        factor = self._factor[folds].to(kind)
        return _Losses(turned, self._y, self._classes, base, factor, strength)

    def _centred(self, kind: torch.dtype) -> Tensor:
        return self._features.to(kind) - self._centre.to(kind)


class _Losses(ConvexProblems):
    """The losses of F folds, each as a function of weights (K, R) with the bias as last column."""

    def __init__(
        self,
        features: Tensor,
        targets: Tensor,
        classes: int,
        base: Tensor | None,
        factor: Tensor,
        strength: float,
    ) -> None:
        """Prepare.

        Args:
            features: Shape (N, R + 1), the last column ones.
            targets: Shape (N,).
            classes: K.
            base: What is added to the logits, shape (N, K).
            factor: Weight of each image in each fold, shape (F, N).
            strength: C.
        """
        self._x, self._y, self._base, self._factor = features, targets, base, factor
        self._rows, self._classes = torch.arange(len(targets)), classes
        self.precision = features.dtype
        # The bias is not penalised.
        penalty = features.new_full((classes, features.shape[1]), 1 / strength)
        penalty[:, -1] = 0
        self._penalty = penalty.flatten()

    def slopes(self, points: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        logs, factor = self._logs(points), self._factor[which]
        losses = -(factor * logs[self._rows, :, self._y].T).sum(1)
        p = F.threshold(logs.exp_(), NOTHING, 0.0)
        p[self._rows, :, self._y] -= 1
        p *= factor.T[:, :, None]
        pull = self._penalty * points
        return losses + (pull * points).sum(1) / 2, self._summed(p, self._x).add_(pull)

    def curvature(self, points: Tensor, which: Tensor) -> tuple[Tensor, Product]:
        p, factor = F.threshold(self._logs(points).exp_(), NOTHING, 0.0), self._factor[which]
        weighted = p * factor.T[:, :, None]
        squares = self._x.square()
        bound = (factor @ squares / (2 * self._classes)).repeat(1, self._classes)
        exact = self._summed(weighted * (1 - p), squares)
        diagonal = torch.maximum(exact, LEAST_CURVATURE * bound) + self._penalty

        def product(vectors: Tensor) -> Tensor:
            logits = self._logits(vectors)
            mean = (p * logits).sum(2, keepdim=True)
            change = logits.sub_(mean).mul_(weighted)
            return self._summed(change, self._x).addcmul_(self._penalty, vectors)

        return diagonal, product

    def _logits(self, points: Tensor) -> Tensor:
        """Shape (N, F, K)."""
        width = self._x.shape[1]
        logits: Tensor = (self._x @ points.view(-1, width).T).unflatten(1, (len(points), -1))
        return logits

    def _logs(self, points: Tensor) -> Tensor:
        """Logarithms of probabilities, (N, F, K)."""
        logits = self._logits(points)
        if self._base is not None:
            logits += self._base[:, None]
        logs: Tensor = torch.log_softmax(logits, 2)
        return logs

    def _summed(self, values: Tensor, features: Tensor) -> Tensor:
        """Sums over images of the products of values (N, F, K) with features, (F, K * (R + 1))."""
        return (values.flatten(1).T @ features).view(values.shape[1], -1)


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


def _axes(centred: Tensor) -> Tensor:
    """Orthonormal columns (D, R) along which centred features (N, D) are not correlated, float64.

    With fewer images than dimensions there are as many axes as images: of a direction without
    features nothing is to be learned.
    """
    count, width = centred.shape
    if count < width:
        span, triangle = torch.linalg.qr(centred.double().T)
        return torch.as_tensor(span @ torch.linalg.eigh(triangle @ triangle.T)[1])
    return torch.as_tensor(torch.linalg.eigh((centred.T @ centred).double())[1])
