"""Which images are exact or near copies of each other, whatever their names."""

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adapt.checks.findings.measure import Picture
from adapt.checks.findings.near_pairs import near_pairs
from adapt.checks.findings.thumbnails import BYTES, Thumbnails
from adapt.common.arrays import IntArray, SingleArray


@dataclass(frozen=True)
class Copies:
    """Contents of images, and which contents are nearly the same."""

    content: IntArray
    """(N,) number of the content of each image: equal for equal bytes, -1 for unreadable files."""
    pairs: IntArray
    """(P, 2) contents that are near copies."""
    differences: SingleArray
    """(P,) see `adapt.checks.findings.thumbnails.difference`."""

    @cached_property
    def images(self) -> dict[int, list[int]]:
        """Positions of the images of each content."""
        rows: dict[int, list[int]] = defaultdict(list)
        for row, content in enumerate(self.content.tolist()):
            if content >= 0:
                rows[content].append(row)
        return dict(rows)

    @cached_property
    def near(self) -> dict[int, list[int]]:
        """Contents that are near copies of each content."""
        copies: dict[int, list[int]] = defaultdict(list)
        for first, second in self.pairs.tolist():
            copies[first].append(second)
            copies[second].append(first)
        return dict(copies)

    def sets(self) -> list[tuple[int, ...]]:
        """Positions of images that copies link, in disjoint sets of two or more."""
        rows = [
            sorted(row for content in linked for row in self.images[content])
            for linked in connected(self.images, self.pairs.tolist())
        ]
        return sorted(tuple(linked) for linked in rows if len(linked) > 1)

    def groups(self) -> list[str]:
        """A name for each image that only its copies share: a split keeps them together.

        Returns:
            One name per image, in their order. It depends only on the contents, except for
            unreadable files.
        """
        names = {
            content: f"content {min(linked)}"
            for linked in connected(self.images, self.pairs.tolist())
            for content in linked
        }
        return [
            names.get(content, f"unreadable {row}")
            for row, content in enumerate(self.content.tolist())
        ]


def connected(nodes: Iterable[int], links: Iterable[Sequence[int]]) -> list[list[int]]:
    """Connected sets of nodes.

    Args:
        nodes: All nodes.
        links: Pairs of nodes.

    Returns:
        Disjoint sets of all nodes, in the order of the nodes.

    >>> connected([3, 1, 2], [(1, 3)])
    [[3, 1], [2]]
    """
    position = {node: index for index, node in enumerate(nodes)}
    if not position:
        return []
    ends = np.array([[position[node] for node in link] for link in links], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(len(position),) * 2)
    sets: dict[int, list[int]] = defaultdict(list)
    for node, number in zip(position, connected_components(graph, False)[1].tolist(), strict=True):
        sets[number].append(node)
    return list(sets.values())


def stars(nodes: Iterable[int], links: Iterable[Sequence[int]]) -> list[list[int]]:
    """Disjoint sets of one node and nodes that are linked to it directly, so that no set chains.

    Every node with a link to another is in a set of two or more; only a node without one is alone.
    The node with the most links to others that are in no set yet comes first, so that there are
    few sets.

    Args:
        nodes: All nodes.
        links: Pairs of nodes; a node may be linked to itself.

    Returns:
        The sets, the centre of each first.

    >>> stars([1, 2, 3, 4], [(1, 2), (2, 3), (3, 4)])
    [[2, 1], [3, 4]]
    """
    beside: dict[int, set[int]] = {node: set() for node in nodes}
    for first, other in links:
        if first != other:
            beside[first].add(other)
            beside[other].add(first)
    centre: dict[int, int] = {}
    leaves: dict[int, list[int]] = {}
    waiting = [(-len(others), node) for node, others in beside.items()]
    heapify(waiting)
    while waiting:
        most, node = heappop(waiting)
        free = sorted(beside[node] - centre.keys())
        if node in centre or (beside[node] and not free):
            continue
        if len(free) < -most:  # others took some of them meanwhile
            heappush(waiting, (-len(free), node))
            continue
        leaves[node] = free
        centre |= dict.fromkeys([node, *free], node)
    for node in sorted(beside.keys() - centre.keys()):
        # All nodes beside it are leaves elsewhere: one of them becomes the centre of a set.
        leaf = min(beside[node])
        old = centre[leaf]
        if old == leaf:
            leaves[leaf].append(node)
        elif len(leaves[old]) > 1:
            leaves[old].remove(leaf)
            leaves[leaf] = [node]
        else:
            del leaves[old]
            leaves[leaf] = [old, node]
        centre |= dict.fromkeys([leaf, *leaves[leaf]], leaf)
    return [[node, *leaves[node]] for node in sorted(leaves)]


def find_copies(
    pictures: Sequence[Picture], progress: Callable[[int], None] | None = None
) -> Copies:
    """Find exact and near copies among images.

    Args:
        pictures: From `measure`; those with an error have no copies.
        progress: Called now and then with the number of contents that are done.

    Returns:
        The copies; the same for any order of the images.

    >>> find_copies([Picture("ab", "empty file"), Picture("ab", "empty file")]).sets()
    []
    """
    first: dict[str, int] = {}
    for row, picture in enumerate(pictures):
        if picture.error is None:
            first.setdefault(picture.sha256, row)
    # By hash, so that nothing depends on the order in which the images are given.
    hashes = sorted(first)
    number = {digest: content for content, digest in enumerate(hashes)}
    content = [number[file.sha256] if file.error is None else -1 for file in pictures]
    thumbnails = _thumbnails([pictures[first[digest]].thumbnail for digest in hashes])
    pairs, differences = near_pairs(thumbnails, progress)
    return Copies(np.array(content, np.int64), pairs, differences)


def _thumbnails(texts: Sequence[str]) -> Thumbnails:
    values = np.zeros((len(texts), BYTES), np.uint8)
    for row, text in enumerate(texts):
        values[row] = np.frombuffer(base64.b64decode(text), np.uint8)
    return Thumbnails(values)
