"""Exact search: the most similar of all features, by one product over the memory map."""

import warnings
from typing import NamedTuple

import numpy as np
import torch

from adapt.common.arrays import FloatArray, IntArray, SingleArray

BLOCK = 1 << 25
"""Numbers of the map that are multiplied at once: 128 MB."""


class Nearest(NamedTuple):
    """The best K rows for each of Q queries, best first."""

    rows: IntArray
    """Shape (Q, K)."""
    scores: FloatArray
    """Shape (Q, K): products in float64."""


def nearest(features: SingleArray, queries: SingleArray, top: int) -> Nearest:
    """The rows with the largest products, in the order that float64 gives; ties go by row.

    Products of all rows are computed in float32. What rounding there could have pushed out of the
    first K is computed again in float64, so that the answer depends neither on blocks nor on the
    kernels of a processor.

    Args:
        features: Shape (N, D), of unit length.
        queries: Shape (Q, D), of unit length.
        top: K, at most N of them are given.

    >>> nearest(np.eye(3, dtype=np.float32), np.float32([[0.6, 0.8, 0.0]]), 2).rows.tolist()
    [[1, 0]]
    """
    count, width = features.shape
    top = min(top, count)
    scores = _products(features, queries)
    # A product of unit vectors is wrong by no more than this (Higham 2002, section 3.1).
    reach = 2 * width * float(np.finfo(np.float32).eps)
    best = [
        _best(features, query, own, top, reach) for query, own in zip(queries, scores, strict=True)
    ]
    return Nearest(np.stack([rows for rows, _ in best]), np.stack([own for _, own in best]))


def _products(features: SingleArray, queries: SingleArray) -> SingleArray:
    """Float32 products (Q, N).

    By torch, whose threads encode queries: those of numpy go on waiting in a loop for more to do,
    and take the cores from the next query's encoding.
    """
    scores = np.empty((len(queries), len(features)), np.float32)
    told, asked = torch.from_numpy(scores), torch.from_numpy(np.ascontiguousarray(queries))
    step = max(1, BLOCK // features.shape[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")  # a map that is read only
        for start in range(0, len(features), step):
            part = torch.from_numpy(features[start : start + step])
            # For one query this is a product with a vector, which reads the map once.
            torch.matmul(asked, part.T, out=told[:, start : start + step])
    return scores


def _best(
    features: SingleArray, query: SingleArray, scores: SingleArray, top: int, reach: float
) -> tuple[IntArray, FloatArray]:
    last = np.partition(scores, len(scores) - top)[len(scores) - top]
    return ordered(features, query, np.flatnonzero(scores >= last - reach), top)


def ordered(
    features: SingleArray, query: SingleArray, rows: IntArray, top: int
) -> tuple[IntArray, FloatArray]:
    """The best K of some rows with their products in float64, ties by row.

    Args:
        features: Shape (N, D).
        query: Shape (D,).
        rows: Candidates.
        top: K.
    """
    products = np.empty(len(rows))
    step = max(1, BLOCK // len(query))
    for start in range(0, len(rows), step):
        part = features[rows[start : start + step]].astype(np.float64)
        # Row by row: a product of matrices has other last bits with other rows beside it.
        products[start : start + step] = (part * query).sum(axis=1)
    order = np.lexsort((rows, -products))[:top]
    return rows[order], products[order]
