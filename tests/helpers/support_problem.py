"""Small random supports, and cross-entropy with its gradient written out in numpy."""

import numpy as np
import torch
from torch import Tensor

from adapt.methods.features.support import Support
from adapt.training.logistic import Logistic

SCALE = 20.0
Array = np.ndarray


def unit(rows: Array) -> Array:
    """Rows of length one."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def problem(targets: list[int], views: int = 1, width: int = 6, seed: int = 0) -> Support:
    """Features around the texts of five classes, far enough away for zero-shot to err."""
    random = np.random.default_rng(seed)
    text = unit(random.normal(size=(5, width)))
    noise = random.normal(size=(views, len(targets), width))
    return Support(
        torch.from_numpy(unit(text[targets] + 0.6 * noise)).float(),
        torch.tensor(targets),
        torch.from_numpy(SCALE * text).float(),
        seed=seed,
    )


ALL = [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
UNEVEN = [0, 0, 0, 0, 1, 3, 3]
"""Class 1 has one image; classes 2 and 4 have none."""


def numbers(support: Support) -> tuple[Array, Array, Array]:
    """Features (V * N, D), class numbers and unit texts in double precision."""
    features, targets = support.all_views
    return features.double().numpy(), targets.numpy(), support.text.double().numpy()


def softmax(logits: Array) -> Array:
    """Along the last axis."""
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def cross_entropy(weight: Array, x: Array, y: Array, bias: Array | float = 0.0) -> float:
    """Mean over samples, of logits `x W' + b`."""
    return float(-np.log(softmax(x @ weight.T + bias)[np.arange(len(y)), y]).mean())


def pull(weight: Array, x: Array, y: Array, bias: Array | float = 0.0) -> Array:
    """Gradient of the mean cross-entropy in the logits of each sample, (N, K)."""
    p = softmax(x @ weight.T + bias)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)


def cosine_slope(prototypes: Array, x: Array, y: Array) -> Array:
    """Gradient of cross-entropy in prototypes whose unit directions times SCALE are the head."""
    length = np.linalg.norm(prototypes, axis=1, keepdims=True)
    directions = prototypes / length
    slope = SCALE * pull(SCALE * directions, x, y).T @ x
    return (slope - directions * (slope * directions).sum(1, keepdims=True)) / length


def rate(lr: float, epoch: int, epochs: int) -> float:
    """CoOp's schedule: an epoch at 1e-5, then the cosine."""
    return 1e-5 if epoch == 0 else lr * (1 + np.cos(np.pi * (epoch - 1) / epochs)) / 2


def shuffled(support: Support, seed: int = 1) -> Support:
    """The same images in another order."""
    order = np.random.default_rng(seed).permutation(len(support.targets))
    return support.part(torch.from_numpy(order))


def directions(weight: Tensor) -> Array:
    """Rows of a head over SCALE, in double precision."""
    return weight.detach().double().numpy() / SCALE


def fit_probe(
    features: torch.Tensor,
    targets: torch.Tensor,
    classes: int,
    strength: float,
    anchor: torch.Tensor | None = None,
    class_weights: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`Logistic` to its minimum, from tensors to tensors."""
    base, factor = (None if one is None else one.numpy() for one in (anchor, class_weights))
    problem = Logistic(features.numpy(), targets.numpy(), classes, base, factor)
    weight, bias = problem.fit(strength)
    return torch.from_numpy(weight), torch.from_numpy(bias)
