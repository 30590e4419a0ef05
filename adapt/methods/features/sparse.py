"""Multinomial logistic regression with an L1 penalty: most weights become exactly zero."""

import torch
from torch import Tensor

POWER_STEPS = 30
CONVERGED = 1e-5
"""Change of the weights, as a fraction of their size, below which a fit ends."""


def fit_sparse(
    features: Tensor,
    targets: Tensor,
    classes: int,
    strength: float,
    start: tuple[Tensor, Tensor] | None = None,
    steps: int = 2000,
) -> tuple[Tensor, Tensor]:
    """Minimise `|W|_1 + |b|_1 + C * sum of cross-entropies`.

    For two classes this is the binary regression of liblinear with the same `C`, which penalises
    the bias as well. Accelerated proximal gradient (FISTA, Beck and Teboulle 2009)
    with restarts where the momentum leads away (O'Donoghue and Candes 2015, arXiv:1204.3982).

    Args:
        features: Shape (N, D), standardised.
        targets: Class numbers (N,).
        classes: Number K of classes.
        strength: C.
        start: Weight and bias to begin from.
        steps: Most steps.

    Returns:
        Weight (K, D) and bias (K,), in the dtype of the features.
    """
    x = torch.cat([features, features.new_ones(len(features), 1)], 1)
    wanted = torch.nn.functional.one_hot(targets, classes).to(x.dtype)
    at = (
        x.new_zeros(classes, x.shape[1])
        if start is None
        else torch.cat([start[0], start[1][:, None]], 1)
    )
    step = 1.0 / (0.5 * _largest_eigenvalue(x))
    threshold = step / strength
    ahead, momentum = at, 1.0
    for _ in range(steps):
        slope = ((ahead @ x.T).softmax(0) - wanted.T) @ x
        moved = ahead - step * slope
        after = _shrunk(moved, threshold)
        change = after - at
        if float(((ahead - after) * change).sum()) > 0:
            momentum = 1.0
        grown = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, at = after + (momentum - 1) / grown * change, after
        momentum = grown
        if float(change.norm()) <= CONVERGED * max(float(at.norm()), CONVERGED):
            break
    return at[:, :-1], at[:, -1]


def _shrunk(values: Tensor, threshold: float) -> Tensor:
    return values.sign() * (values.abs() - threshold).clamp(min=0)


def _largest_eigenvalue(x: Tensor) -> float:
    """Of `x.T x`, a little too large rather than too small: it bounds the curvature."""
    vector = torch.ones(x.shape[1], dtype=x.dtype)
    for _ in range(POWER_STEPS):
        vector = x.T @ (x @ (vector / vector.norm()))
    return 1.05 * float(vector.norm())
