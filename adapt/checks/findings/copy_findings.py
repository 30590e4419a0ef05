"""Findings about copies: within a class, under different labels, and across train and test."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from adapt.checks.findings.copies import Copies, connected
from adapt.checks.findings.faults import LEFT_OUT
from adapt.checks.findings.finding import Finding, Place
from adapt.common.arrays import BoolArray
from adapt.common.words import plural
from adapt.data.splits.quarantine import FIT_SPLITS

CHAIN = 20
"""A larger set is called a chain: its first and last image may no longer look alike."""
FIT = "train"
Standing = tuple[str, str]
"""The side (`FIT`, or the name of an eval) and the label of an image."""


@dataclass(frozen=True)
class _Relation:
    """How two sides and labels of the same or of nearly the same content relate."""

    name: str
    exact: bool

    def holds(self, one: Standing, other: Standing) -> bool:
        same_side, same_label = one[0] == other[0], one[1] == other[1]
        fitted = FIT in (one[0], other[0])
        if self.name == "leak":
            return fitted and not same_side
        if self.name == "conflict":
            # Two evals may well hold the same images: they are never mixed.
            return not same_label and (same_side or fitted)
        return same_side and same_label


class _Standings:
    """The sides and labels of the images of each content."""

    def __init__(self, copies: Copies, places: Sequence[Place]) -> None:
        self.copies, self.places = copies, places
        self.of = [
            (FIT if place.split in FIT_SPLITS else place.split, place.label) for place in places
        ]

    @cached_property
    def kinds(self) -> dict[int, Counter[Standing]]:
        """Number of images of each content, by side and label."""
        return {
            content: Counter(self.of[row] for row in rows)
            for content, rows in self.copies.images.items()
        }

    def links(self, exact: bool) -> Iterator[tuple[int, int, float]]:
        """Pairs of contents that are nearly the same, or each content with itself."""
        if exact:
            yield from ((one, one, 0.0) for one, rows in self.copies.images.items() if rows[1:])
        else:
            for (one, other), value in zip(
                self.copies.pairs.tolist(), self.copies.differences.tolist(), strict=True
            ):
                yield one, other, value

    def related(self, relation: _Relation, one: int, other: int) -> set[int]:
        """Images of the two contents between which the relation holds."""
        here, there = self.kinds[one], self.kinds[other]
        taking_part = {
            (content, standing)
            for a, b in product(here, there)
            if relation.holds(a, b) and (one != other or a != b or here[a] > 1)
            for content, standing in ((one, a), (other, b))
        }
        return {
            row
            for content in {one, other}
            for row in self.copies.images[content]
            if (content, self.of[row]) in taking_part
        }

    def order(self, row: int) -> tuple[int, str, str]:
        """Val before train: of two copies, the one that is scored stays."""
        split = self.places[row].split
        return ({"val": 0, "train": 1}.get(split, 2), split, self.places[row].path)


@dataclass(frozen=True)
class _Found:
    """The sets of one relation, the images of each in order, with the smallest difference."""

    sets: list[list[int]]
    values: list[float]

    @property
    def rows(self) -> list[int]:
        return [row for rows in self.sets for row in rows]


def _search(standings: _Standings, relation: _Relation) -> _Found:
    members: dict[int, set[int]] = {}
    links: list[tuple[int, int, float]] = []
    for one, other, value in standings.links(relation.exact):
        rows = standings.related(relation, one, other)
        if rows:
            links.append((one, other, value))
            for content in (one, other):
                mine = rows & set(standings.copies.images[content])
                members[content] = members.get(content, set()) | mine
    closest: dict[int, float] = defaultdict(lambda: 1.0)
    for one, other, value in links:
        for content in (one, other):
            closest[content] = min(closest[content], value)
    found = []
    for contents in connected(members, [link[:2] for link in links]):
        rows = {row for content in contents for row in members[content]}
        value = min(closest[content] for content in contents)
        found.append((value, sorted(rows, key=standings.order)))
    found.sort(key=lambda entry: (entry[0], -len(entry[1]), standings.order(entry[1][0])))
    return _Found([rows for _, rows in found], [value for value, _ in found])


def copy_findings(copies: Copies, places: Sequence[Place]) -> list[Finding]:
    """Find copies that leak from train into an eval, contradict each other, or just repeat.

    `train` and `val` count as one side, each eval as another; evals are not compared with each
    other. Images of evals are never left out.

    Args:
        copies: From `find_copies`.
        places: Place of each image, in the same order.

    Returns:
        Findings `leak`, `near_leak`, `conflicting_label`, `near_conflicting_label`, `exact_copy`
        and `near_copy`, as far as they apply. `values` is the smallest difference in each set.
    """
    standings = _Standings(copies, places)
    found = []
    for exact in (True, False):
        for name, build in (("leak", _leak), ("conflict", _conflict), ("copy", _copy)):
            search = _search(standings, _Relation(name, exact))
            if search.sets:
                found.append(build(standings, search, exact))
    return found


def _finding(
    standings: _Standings,
    found: _Found,
    naming: tuple[str, str, str],
    fix: str,
    remove: Sequence[int],
) -> Finding:
    kind, level, message = naming
    largest = max(len(rows) for rows in found.sets)
    if largest > CHAIN:
        message += f"; the largest set is a chain of {largest} images"
    places = standings.places
    return Finding(
        kind=kind,
        level=level,
        message=message,
        fix=fix,
        places=tuple(tuple(places[row] for row in rows) for rows in found.sets),
        values=tuple(found.values),
        remove=tuple(places[row] for row in remove),
        details={"sets": len(found.sets), "images": len(found.rows), "largest": largest},
    )


def _fitted(standings: _Standings, found: _Found) -> list[int]:
    return [row for row in found.rows if standings.of[row][0] == FIT]


def _leak(standings: _Standings, found: _Found, exact: bool) -> Finding:
    counts = Counter(standings.of[row][0] for row in found.rows)
    sizes = Counter(side for side, _ in standings.of)
    said = " and ".join(
        f"{counts[name]} of {plural(sizes[name], 'image')} of {name}"
        for name in sorted(counts)
        if name != FIT
    )
    how = "byte for byte" if exact else "nearly the same"
    verb = "is" if sum(counts[name] for name in counts if name != FIT) == 1 else "are"
    finding = _finding(
        standings,
        found,
        (
            "leak" if exact else "near_leak",
            "warning",
            f"{said} {verb} also in train or val, {how}",
        ),
        f"{LEFT_OUT}: this leaves out the training images",
        _fitted(standings, found),
    )
    finding.details["by_eval"] = {name: counts[name] for name in sorted(counts) if name != FIT}
    return finding


def _conflict(standings: _Standings, found: _Found, exact: bool) -> Finding:
    within = any(
        len({standings.of[row][1] for row in rows if standings.of[row][0] == FIT}) > 1
        for rows in found.sets
    )
    how = "with the same content" if exact else "that are nearly the same"
    return _finding(
        standings,
        found,
        (
            "conflicting_label" if exact else "near_conflicting_label",
            "error" if exact and within else "warning",
            f"{len(found.rows)} images {how} have different labels",
        ),
        f"give them one label, or {LEFT_OUT}: this leaves out all of them in train and val",
        _fitted(standings, found),
    )


def _copy(standings: _Standings, found: _Found, exact: bool) -> Finding:
    how = "exact" if exact else "near"
    return _finding(
        standings,
        found,
        (
            f"{how}_copy",
            "warning" if exact else "note",
            f"{len(found.rows)} images are {how} copies of each other within their class, in "
            f"{plural(len(found.sets), 'set')}",
        ),
        f"{LEFT_OUT}: this keeps one image of each set in train and val",
        _repeated(standings, _fitted(standings, found)),
    )


def _repeated(standings: _Standings, rows: Sequence[int]) -> list[int]:
    """Images of which a direct copy stays, not only a copy of a copy."""
    content, near = standings.copies.content.tolist(), standings.copies.near
    kept: set[tuple[int, str]] = set()
    removed = []
    for row in sorted(rows, key=standings.order):
        label = standings.of[row][1]
        alike = [content[row], *near.get(content[row], ())]
        if any((copy, label) in kept for copy in alike):
            removed.append(row)
        else:
            kept.add((content[row], label))
    return removed


def leaked_indices(
    copies: Copies, places: Sequence[Place], near: bool = True
) -> dict[str, list[int]]:
    """Which images of each eval have a copy in train or val.

    Args:
        copies: From `find_copies`.
        places: Where each image stands, in the same order.
        near: Whether near copies count too.

    Returns:
        For each eval in `places`, positions among its own images, in increasing order.
    """
    fitted = {
        content
        for content, place in zip(copies.content.tolist(), places, strict=True)
        if place.split in FIT_SPLITS and content >= 0
    }
    reached = set(fitted)
    if near:
        reached |= {other for content in fitted for other in copies.near.get(content, ())}
    found: dict[str, list[int]] = {}
    seen: Counter[str] = Counter()
    for content, place in zip(copies.content.tolist(), places, strict=True):
        if place.split not in FIT_SPLITS:
            leaked = found.setdefault(place.split, [])
            if content in reached:
                leaked.append(seen[place.split])
            seen[place.split] += 1
    return found


def leak_free_accuracy(right: BoolArray, leaked: Sequence[int]) -> dict[str, Any]:
    """Accuracy on an eval with and without the images that leak.

    Args:
        right: Whether each image was classified correctly, shape (N,).
        leaked: Positions of the images that have a copy in train or val.

    Returns:
        `images`, `leaked`, `accuracy`, and `leak_free_accuracy` (None where every image leaks).

    >>> leak_free_accuracy(np.array([True, False]), [0])["leak_free_accuracy"]
    0.0
    """
    clean = np.delete(right, leaked)
    return {
        "images": len(right),
        "leaked": len(leaked),
        "accuracy": float(right.mean()),
        "leak_free_accuracy": float(clean.mean()) if len(clean) else None,
    }
