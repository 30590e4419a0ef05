"""Pools of random features and answers for the tests of what to label next."""

import numpy as np

from adapt.explore.suggest.strategies.base import UnlabelledPool


def random_pool(
    count: int = 40, labelled: int = 6, classes: int = 4, seed: int = 0
) -> UnlabelledPool:
    """Features around one direction of each class, and answers that often fit them."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(classes, 8))

    def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
        targets = random.integers(classes, size=rows)
        features = centres[targets] + 0.7 * random.normal(size=(rows, 8))
        unit = features / np.linalg.norm(features, axis=1, keepdims=True)
        return unit.astype(np.float32), targets

    features, _ = drawn(count)
    known, targets = drawn(labelled)
    logits = 3 * features @ centres.T
    odds = np.exp(logits.astype(np.float64))
    names = tuple(f"class {k}" for k in range(classes))
    return UnlabelledPool(features, odds / odds.sum(1, keepdims=True), known, targets, names, seed)
