"""Undecided images that differ from each other: weighted k-means (arXiv:1901.05954)."""

import numpy as np
from sklearn.cluster import KMeans

from adapt.explore.suggest.strategies.base import Pick, UnlabelledPool, strategy

SHORTLIST = 10
"""Images per image to choose among which is chosen: the most undecided ones, as in the paper."""
FAINTEST = 1e-6


@strategy("diverse")
def diverse(pool: UnlabelledPool, budget: int) -> list[Pick]:
    """Of the images with the smallest margins, the ones in the middle of weighted clusters.

    The shortlist holds ten times as many images as are wanted. It is divided into as many clusters
    by k-means, where an image weighs one minus its margin, and each gives the image nearest to its
    centre. They are in the order of their margins.
    """
    rows = np.argsort(pool.margins, kind="stable")[: SHORTLIST * budget]
    if budget >= len(rows):
        chosen = rows[:budget]
    else:
        features, weights = pool.features[rows], 1 - pool.margins[rows] + FAINTEST
        means = KMeans(n_clusters=budget, n_init=1, random_state=pool.seed, max_iter=50)
        numbers = means.fit_predict(features, sample_weight=weights)
        squares = ((features - means.cluster_centers_[numbers]) ** 2).sum(1)
        order = np.lexsort((squares, numbers))
        first = order[np.unique(numbers[order], return_index=True)[1]]
        # Where images are equal there are fewer clusters; the most undecided others fill up.
        others = np.setdiff1d(np.arange(len(rows)), first)[: budget - len(first)]
        chosen = rows[np.sort(np.concatenate([first, others]))]
    return [
        Pick(row, f"{pool.undecided(row)}, in the middle of similar undecided images")
        for row in chosen.tolist()
    ]
