"""Approximate search by faiss, for more images than are read for every question."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from adapt.common.arrays import SingleArray
from adapt.common.cache import mark_used
from adapt.common.files import write_whole
from adapt.common.progress import track
from adapt.errors import MissingExtraError
from adapt.explore.search.exact import Nearest, nearest, ordered
from adapt.explore.search.vectors import Vectors

FILE = "faiss.index"
RECALL, NEIGHBOURS = 0.995, 10
"""Share of the best 10 that must be among the answers to `SAMPLE` questions, for 0.99 on others."""
SAMPLE, BLOCK = 256, 65536
PER_CELL, ROUNDS = 40, 10
"""Rows for each cell that the centres of cells are learned from, and rounds of learning."""


@dataclass(frozen=True)
class Approximate:
    """An inverted file of faiss (IVF, arXiv:1702.08734): rows in cells, of which a few are read.

    How many are read is found out when it is built: it is doubled until questions at random have
    995 of 1,000 of their exact neighbours. Answers are ordered by products in float64.
    """

    vectors: Vectors
    index: Any
    """Of faiss; its `nprobe` is the number of cells."""

    @classmethod
    def of(cls, vectors: Vectors) -> "Approximate":
        """The inverted file of an index, from beside its memory map or built now.

        Args:
            vectors: What it is of.

        Raises:
            MissingExtraError: When faiss is not installed.
            RunError: When it cannot be written.
        """
        faiss = library()
        path = vectors.folder / FILE
        if not path.is_file():
            index = _built(faiss, vectors.features)
            write_whole(path, lambda place: faiss.write_index(index, str(place)))
        mark_used(path)
        return cls(vectors, faiss.read_index(str(path)))

    def nearest(self, queries: SingleArray, top: int) -> Nearest:
        """As `adapt.explore.search.exact.nearest`, with answers that may lack some rows.

        Args:
            queries: Shape (Q, D), of unit length.
            top: K, at most N of them are given.
        """
        top = min(top, len(self.vectors))
        _, rows = self.index.search(np.ascontiguousarray(queries), top)
        answers = []
        for query, own in zip(queries, rows, strict=True):
            if (own < 0).any():  # the cells that were read hold fewer rows
                answers.append(nearest(self.vectors.features, query[None], top))
                continue
            best = ordered(self.vectors.features, query, own.astype(np.int64), top)
            answers.append(Nearest(best[0][None], best[1][None]))
        return Nearest(
            np.concatenate([answer.rows for answer in answers]),
            np.concatenate([answer.scores for answer in answers]),
        )


def recall(approximate: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact rows (Q, K) that are among the approximate ones (Q, K).

    >>> recall(np.array([[1, 2]]), np.array([[2, 3]]))
    0.5
    """
    shared = [len(np.intersect1d(a, e)) for a, e in zip(approximate, exact, strict=True)]
    return float(sum(shared)) / exact.size


def library() -> Any:
    """The module, if it is installed.

    Raises:
        MissingExtraError: When it is not installed.
    """
    try:
        return import_module("faiss")
    except ImportError as error:
        raise MissingExtraError(
            f"faiss - not installed - {error} - pip install 'adapt-clip[faiss]', or search with "
            "--method exact, which reads all features for every question"
        ) from error


def _built(faiss: Any, features: SingleArray) -> Any:
    count, width = features.shape
    cells = max(1, min(round(2 * count**0.5), count // PER_CELL))
    quantizer = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFFlat(quantizer, width, cells, faiss.METRIC_INNER_PRODUCT)
    index.cp.spherical = True
    index.cp.niter, index.cp.seed = ROUNDS, 0
    learned = np.linspace(0, count - 1, min(count, cells * PER_CELL)).astype(np.int64)
    index.train(features[learned])
    for start in track(range(0, count, BLOCK), "building the index of faiss", -(-count // BLOCK)):
        index.add(np.ascontiguousarray(features[start : start + BLOCK]))
    _choose_cells(index, features)
    return index


def _choose_cells(index: Any, features: SingleArray) -> None:
    """Set how many cells are read.

    Questions lie between the images and not on them, as those of texts and sums do: each is made of
    two rows at random.
    """
    generator = np.random.default_rng(0)
    pairs = generator.integers(0, len(features), (SAMPLE, 2))
    sums = features[pairs].sum(1)
    questions = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    top = min(NEIGHBOURS, len(features))
    exact = nearest(features, questions, top).rows
    index.nprobe = 1
    while index.nprobe < index.nlist:
        _, rows = index.search(questions, top)
        if recall(rows, exact) >= RECALL:
            return
        index.nprobe = min(2 * index.nprobe, index.nlist)
