"""Which images of a pool are worth a label at all: new ones, and one of each set of copies."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from adapt.checks.findings.copies import stars
from adapt.checks.findings.near_pairs import near_pairs
from adapt.checks.findings.thumbnails import Thumbnails
from adapt.common.arrays import IntArray
from adapt.explore.suggest.reading import SeenImages


@dataclass(frozen=True)
class CandidateRows:
    """Rows of a pool that may be suggested, and what became of the others."""

    rows: IntArray
    """Sorted rows."""
    stands_for: dict[int, int]
    """How many copies of itself each row stands for, where there are any."""
    labelled: int
    """Images whose bytes are labelled, or were learned from, already."""
    copies_of_labelled: int
    """Near copies of labelled images."""
    copies: int
    """Exact and near copies of other images of the pool."""


def candidates(
    pool: SeenImages, labelled: SeenImages, learned: Iterable[str] = ()
) -> CandidateRows:
    """Leave out what is labelled, by content, and all but one of each set of copies.

    A set of copies is one image and its direct copies; see `adapt.checks.findings.copies.stars`.

    Args:
        pool: All images without labels.
        labelled: What is labelled so far.
        learned: SHA-256 of further images that the model has learned from.
    """
    known = {*labelled.hashes, *learned}
    new = [row for row, digest in enumerate(pool.hashes) if digest not in known]
    first: dict[str, list[int]] = {}
    for row in new:
        first.setdefault(pool.hashes[row], []).append(row)
    rows = [same[0] for same in first.values()]
    start = len(labelled)
    values = [labelled.thumbnails.values, pool.thumbnails.values[rows]]
    pairs = near_pairs(Thumbnails(np.concatenate(values)))[0].tolist()
    # Labelled ones come first, so that in a pair of both the second is of the pool.
    beside = {b for a, b in pairs if a < start <= b}
    nodes = [node for node in range(start, start + len(rows)) if node not in beside]
    links = [(a, b) for a, b in pairs if a >= start and not {a, b} & beside]
    sets = [[rows[node - start] for node in own] for own in stars(nodes, links)]
    stands_for = {
        own[0]: total
        for own in sets
        if (total := sum(len(first[pool.hashes[row]]) for row in own) - 1)
    }
    kept = np.array(sorted(own[0] for own in sets), np.int64)
    near = sum(len(first[pool.hashes[rows[node - start]]]) for node in beside)
    return CandidateRows(kept, stands_for, len(pool) - len(new), near, len(new) - near - len(kept))
