"""Typical images of every region, for when little is labelled (TypiClust, arXiv:2202.02794)."""

import numpy as np
from sklearn.cluster import KMeans, MiniBatchKMeans

from adapt.common.arrays import FloatArray, IntArray, SingleArray
from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy

NEIGHBOURS = 20
"""Of the paper."""
MOST_CLUSTERS = 500
"""Of the paper."""
SMALLEST = 5
"""Clusters of fewer images are left for last."""
EXACT_CLUSTERS = 50
"""With more, k-means sees the images in batches, as in the paper."""
ROWS = 2048


@strategy("typicality")
def typicality(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """The most typical image of each cluster that has no label yet, large clusters first.

    All images, labelled ones too, are divided into as many clusters as there are labels and images
    to choose. Typical is what is near to its neighbours in the cluster.
    """
    held = len(pool.labelled)
    everything = np.concatenate([pool.labelled, pool.features])
    numbers = clusters(everything, min(held + budget, MOST_CLUSTERS), pool.seed)
    covered = np.bincount(numbers[:held], minlength=numbers.max() + 1)
    members = {k: np.flatnonzero(numbers[held:] == k) for k in range(len(covered))}
    values = {k: typical(pool.features[own]) for k, own in members.items() if len(own)}
    # Most typical last, from where they are taken.
    waiting = {k: members[k][np.argsort(own, kind="stable")].tolist() for k, own in values.items()}
    sizes = {k: len(own) for k, own in waiting.items()}
    picks: list[Pick] = []
    while len(picks) < budget:
        number = min(
            (k for k, own in waiting.items() if own),
            key=lambda k: (covered[k], sizes[k] < SMALLEST, -sizes[k], k),
        )
        row = waiting[number].pop()
        covered[number] += 1
        picks.append(Pick(row, f"typical of {sizes[number]} similar images"))
    return picks


def clusters(features: SingleArray, count: int, seed: int) -> IntArray:
    """The number of the cluster of each image, (N,).

    Args:
        features: (N, D).
        count: Of clusters; all images apart where there are no more than that.
        seed: Of the first centres.
    """
    if count >= len(features):
        return np.arange(len(features), dtype=np.int64)
    kind = KMeans if count <= EXACT_CLUSTERS else MiniBatchKMeans
    means = kind(n_clusters=count, n_init=1, random_state=seed, max_iter=50)
    return np.asarray(means.fit(features).labels_, np.int64)


def typical(features: SingleArray, neighbours: int = NEIGHBOURS) -> FloatArray:
    """One over the mean distance to the nearest other images, (N,).

    Args:
        features: (N, D) of one cluster.
        neighbours: How many; at most half of the others, and at least one.

    >>> typical(np.array([[0.0], [1.0], [3.0]], np.float32)).tolist()
    [1.0, 1.0, 0.5]
    """
    count = len(features)
    kept = max(1, min(neighbours, count // 2))
    if count < 2:
        return np.ones(count)
    wide = features.astype(np.float64)
    squares = (wide**2).sum(1)
    values = np.empty(count)
    for start in range(0, count, ROWS):
        rows = np.arange(start, min(start + ROWS, count))
        distances = squares[rows, None] + squares - 2 * wide[rows] @ wide.T
        distances[np.arange(len(rows)), rows] = np.inf
        near = np.partition(distances, kept - 1, axis=1)[:, :kept]
        values[rows] = 1 / np.maximum(np.sqrt(np.maximum(near, 0)).mean(1), 1e-9)
    return values
