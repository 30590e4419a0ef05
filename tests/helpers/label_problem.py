"""Features in clusters, and labels of which some are wrong."""

import numpy as np

Case = tuple[np.ndarray, np.ndarray]


def problem(seed: int, classes: int = 4, count: int = 80, spread: float = 0.5) -> Case:
    """Unit features in clusters, and the true classes."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 8))
    y = np.arange(count) % classes
    x = centres[y] + spread * random.normal(size=(count, 8))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), y


def flipped(y: np.ndarray, classes: int, count: int, seed: int) -> Case:
    random = np.random.default_rng(seed)
    wrong = random.choice(len(y), count, replace=False)
    labels = y.copy()
    labels[wrong] = (y[wrong] + random.integers(1, classes, count)) % classes
    return labels, np.sort(wrong)
