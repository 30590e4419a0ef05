"""Near copies: pairs of images of which one is the other after saving, resizing, cropping, framing.

Candidates come from the correlation of small pictures and are decided by `thumbnails.difference`.
Only the time of one matrix product grows with the square of the number of images. Two variants were
tried and dropped: candidates by features of the embedded model (as many copies of pictograms, and
more than twice as many false ones), and a lower limit on the correlation (61 % of framed sketches
found instead of 72 %).
"""

from collections.abc import Callable, Iterator

import numpy as np

from adapt.checks.findings.thumbnails import (
    BLOCK,
    FAINTEST,
    SIDE,
    Thumbnails,
    difference,
    middle,
)
from adapt.common.arrays import IntArray, SingleArray

NEAR = 0.022
"""Largest fraction of a near copy that its original does not explain. Measured on planted copies of
photos and drawings: see `docs/benchmarks/planted_copies.md`."""
NEIGHBOURS = 3
"""Candidates of each image from each of two correlations. For each kind of copy of photos and
drawings, planted alone, over 99 % have their original among them; fewer for many framed sketches,
since frames look alike."""
FRAME = 1.06
"""A frame of 3 % on each side enlarges an image by this factor."""
CELLS = 8_000_000
"""Similarities in memory at once: 32 MB."""
SAME = 50
"""Largest set of equal thumbnails that gives all its pairs; a larger one gives one pair per
image."""


def near_pairs(
    thumbnails: Thumbnails, progress: Callable[[int], None] | None = None
) -> tuple[IntArray, SingleArray]:
    """Find the pairs of images that are near copies.

    Images without contrast have no copies. The order of the images matters only between equally
    near candidates.

    Args:
        thumbnails: Of N images.
        progress: Called now and then with the number of images that are done.

    Returns:
        (P, 2) positions, smaller first, sorted; and (P,) the fraction of one that the other does
        not explain, at most `NEAR`.
    """
    seen = np.flatnonzero(_contrast(thumbnails) >= FAINTEST)
    if len(seen) < 2:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    _, first, same = np.unique(
        thumbnails.values[seen], axis=0, return_index=True, return_inverse=True
    )
    # In order of the images, so that what is proposed does not depend on how bytes sort.
    kinds = seen[np.sort(first)]
    equal = _equal_pairs(seen, same.ravel())
    chosen = Thumbnails(thumbnails.values[kinds])
    proposed = _proposed(chosen, progress)
    differences = difference(chosen, proposed[:, 0], proposed[:, 1])
    near = differences <= NEAR
    pairs = np.concatenate([equal, kinds[proposed[near]]])
    values = np.concatenate([np.zeros(len(equal), np.float32), differences[near]])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], values[order]


def _contrast(thumbnails: Thumbnails) -> SingleArray:
    """Variance of brightness of each."""
    parts = [
        thumbnails.grey(slice(start, start + BLOCK)).var((1, 2))
        for start in range(0, len(thumbnails), BLOCK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _equal_pairs(rows: IntArray, kind: IntArray) -> IntArray:
    order = np.argsort(kind, kind="stable")
    ends = np.flatnonzero(np.diff(kind[order])) + 1
    pairs: list[tuple[int, int]] = []
    for group in np.split(rows[order], ends):
        if len(group) <= SAME:
            pairs += [(int(a), int(b)) for at, a in enumerate(group) for b in group[at + 1 :]]
        else:
            pairs += [(int(group[0]), int(b)) for b in group[1:]]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _proposed(thumbnails: Thumbnails, progress: Callable[[int], None] | None) -> IntArray:
    whole, inner = (
        np.concatenate(
            [
                _small(middle(thumbnails.grey(slice(start, start + BLOCK)), share))
                for start in range(0, len(thumbnails), BLOCK)
            ]
        )
        for share in (1.0, 1 / FRAME)
    )
    pairs: set[tuple[int, int]] = set()
    for start, rows in _blocks(len(thumbnails)):
        for queries in (whole, inner):
            near = _nearest(queries[rows] @ whole.T, start)
            for own, others in enumerate(near, start):
                pairs.update((min(own, other), max(own, other)) for other in others.tolist())
        if progress is not None:
            progress(min(rows.stop, len(thumbnails)))
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _small(grey: SingleArray) -> SingleArray:
    """(P, 256) pictures of half the side, without mean, of length 1."""
    half = SIDE // 2
    flat = grey.reshape(-1, half, 2, half, 2).mean((2, 4)).reshape(len(grey), -1)
    flat = flat - flat.mean(1, keepdims=True)
    unit: SingleArray = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return unit


def _blocks(count: int) -> Iterator[tuple[int, slice]]:
    size = max(1, CELLS // count)
    for start in range(0, count, size):
        yield start, slice(start, start + size)


def _nearest(likeness: SingleArray, start: int) -> IntArray:
    """(rows, K) positions of the most alike; `start` is the position of the first row."""
    own = np.arange(len(likeness))
    likeness[own, own + start] = -np.inf
    kept = min(NEIGHBOURS, likeness.shape[1] - 1)
    return np.argpartition(likeness, -kept, axis=1)[:, -kept:]
