"""Logistic regression by scikit-learn and by plain minimisation."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from torch import Tensor


def problem(classes: int, count: int = 60, width: int = 6) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(classes)
    centres = random.normal(size=(classes, width))
    y = random.integers(0, classes, count)
    x = centres[y] + 1.5 * random.normal(size=(count, width))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def sklearn_fit(x: Tensor, y: Tensor, strength: float) -> LogisticRegression:
    model = LogisticRegression(C=strength, tol=1e-12, max_iter=100_000)
    return model.fit(x.double().numpy(), y.numpy())


def direct(
    features: np.ndarray, targets: np.ndarray, base: np.ndarray, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """The minimum by BFGS, written down as the formula reads."""
    classes, width = base.shape

    def objective(flat: np.ndarray) -> float:
        w, b = flat[: classes * width].reshape(base.shape), flat[classes * width :]
        logits = features @ w.T + b
        loss = (logsumexp(logits, axis=1) - logits[np.arange(len(targets)), targets]).sum()
        return float(loss + ((w - base) ** 2).sum() / (2 * strength))

    start = np.concatenate([base.ravel(), np.zeros(classes)])
    best = minimize(objective, start, method="BFGS", options={"gtol": 1e-5, "maxiter": 3000})
    return best.x[: classes * width].reshape(base.shape), best.x[classes * width :]
