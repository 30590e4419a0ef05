"""Near copies: pairs of images of which one is the other, saved again, resized, cropped, framed.

Neighbours are proposed cheaply, by the correlation of small pictures, and judged by
`thumbnails.difference`. Nothing grows with the square of the number of images but
the time of a matrix product. Two things were tried and left out. Neighbours by the features of the
embedded model: on pictograms as many copies were found, and more than twice as many that are none.
Not to judge neighbours of low correlation: of framed sketches 61 % were found, not 72 %.
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
"""Largest share of a near copy that its original does not explain. Measured on planted copies of
photos and drawings: see `docs/benchmarks/planted_copies.md`."""
NEIGHBOURS = 3
"""Proposed to each image by each of two correlations. Of each kind of copy of photos and drawings,
planted by itself, over 99 % have their original among them; of framed sketches fewer where there
are many, since frames are alike."""
FRAME = 1.06
"""A frame of 3 % on each side makes an image so much larger."""
CELLS = 8_000_000
"""Similarities held at once: 32 MB."""
SAME = 50
"""Largest set of equal thumbnails of which all pairs are named; of more, each with the first."""


def near_pairs(
    thumbnails: Thumbnails, progress: Callable[[int], None] | None = None
) -> tuple[IntArray, SingleArray]:
    """Find the pairs of images that are near copies.

    Images without contrast are copies of nothing. The order of the images decides only between
    neighbours that are equally near.

    Args:
        thumbnails: Of N images.
        progress: Called with the number of images done, now and then.

    Returns:
        (P, 2) positions, the smaller first, sorted; and (P,) how much of one the other does not
        explain, at most `NEAR`.

    >>> noise = np.random.default_rng(0).integers(0, 256, (3, 1152), dtype=np.uint8)
    >>> noise[2] = noise[0]
    >>> near_pairs(Thumbnails(noise))[0].tolist()
    [[0, 2]]
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
    found = difference(chosen, proposed[:, 0], proposed[:, 1])
    near = found <= NEAR
    pairs = np.concatenate([equal, kinds[proposed[near]]])
    values = np.concatenate([np.zeros(len(equal), np.float32), found[near]])
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
    found: set[tuple[int, int]] = set()
    for start, rows in _blocks(len(thumbnails)):
        for queries in (whole, inner):
            near = _nearest(queries[rows] @ whole.T, start)
            for own, others in enumerate(near, start):
                found.update((min(own, other), max(own, other)) for other in others.tolist())
        if progress is not None:
            progress(min(rows.stop, len(thumbnails)))
    return np.array(sorted(found), np.int64).reshape(-1, 2)


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
