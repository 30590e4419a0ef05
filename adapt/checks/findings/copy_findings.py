"""Findings about copies: within a class, under different labels, and across train and test."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np

from adapt.checks.findings.copies import Copies, stars
from adapt.checks.findings.faults import LEFT_OUT
from adapt.checks.findings.finding import Finding, Place
from adapt.common.arrays import BoolArray
from adapt.common.words import plural
from adapt.data.splits.quarantine import FIT_SPLITS

FIT = "train"
Standing = tuple[str, str]
"""The side (`FIT`, or the name of an eval) and the label of an image."""


@dataclass(frozen=True)
class _Relation:
    """How two sides and labels of the same or of nearly the same content relate."""

    name: str
    exact: bool

    def holds(self, first: Standing, other: Standing) -> bool:
        same_side, same_label = first[0] == other[0], first[1] == other[1]
        fitted = FIT in (first[0], other[0])
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
            yield from (
                (first, first, 0.0) for first, rows in self.copies.images.items() if rows[1:]
            )
        else:
            for (first, other), value in zip(
                self.copies.pairs.tolist(), self.copies.differences.tolist(), strict=True
            ):
                yield first, other, value

    def related(self, relation: _Relation, first: int, other: int) -> set[int]:
        """Images of the two contents between which the relation holds."""
        here, there = self.kinds[first], self.kinds[other]
        taking_part = {
            (content, standing)
            for a, b in product(here, there)
            if relation.holds(a, b) and (first != other or a != b or here[a] > 1)
            for content, standing in ((first, a), (other, b))
        }
        return {
            row
            for content in {first, other}
            for row in self.copies.images[content]
            if (content, self.of[row]) in taking_part
        }

    def order(self, row: int) -> tuple[int, str, str]:
        """Val before train: of two copies, the one that is scored stays."""
        split = self.places[row].split
        return ({"val": 0, "train": 1}.get(split, 2), split, self.places[row].path)


@dataclass(frozen=True)
class _CopySets:
    """The sets of one relation, the images of each in order, with the smallest difference."""

    sets: list[list[int]]
    values: list[float]

    @property
    def rows(self) -> list[int]:
        return [row for rows in self.sets for row in rows]


def _search(standings: _Standings, relation: _Relation) -> _CopySets:
    """The sets: each is one content, and others to which the relation links it directly."""
    members: dict[int, set[int]] = defaultdict(set)
    links: dict[tuple[int, int], float] = {}
    for first, other, value in standings.links(relation.exact):
        rows = standings.related(relation, first, other)
        if rows:
            links[first, other] = links[other, first] = value
            for content in (first, other):
                members[content] |= rows & set(standings.copies.images[content])
    sets = []
    for centre, *others in stars(members, links):
        near = {content: links[centre, content] for content in others}
        value = min(near.values(), default=links.get((centre, centre), 0.0))
        ordered = [
            row
            for content in [centre, *sorted(near, key=lambda content: (near[content], content))]
            for row in sorted(members[content], key=standings.order)
        ]
        sets.append((value, _pair_first(standings, relation, ordered)))
    sets.sort(key=lambda entry: (entry[0], -len(entry[1]), standings.order(entry[1][0])))
    return _CopySets([rows for _, rows in sets], [value for value, _ in sets])


def _pair_first(standings: _Standings, relation: _Relation, rows: list[int]) -> list[int]:
    """The set with a pair between which the relation holds at its start, the nearest there is."""
    pairs = combinations(range(len(rows)), 2)
    holds = (
        (a, b) for a, b in pairs if relation.holds(standings.of[rows[a]], standings.of[rows[b]])
    )
    first, second = next(holds)
    pair = sorted((rows[first], rows[second]), key=standings.order)
    return pair + [row for place, row in enumerate(rows) if place not in (first, second)]


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
        A set is one image and its direct copies; a pair between which the relation holds comes
        first in it.
    """
    standings = _Standings(copies, places)
    findings = []
    for name, build in (("leak", _leak), ("conflict", _conflict)):
        for exact in (True, False):
            search = _search(standings, _Relation(name, exact))
            if search.sets:
                findings.append(build(standings, search, exact))
    gone = {place for finding in findings for place in finding.remove}
    for exact in (True, False):
        search = _search(standings, _Relation("copy", exact))
        if search.sets:
            findings.append(_copy(standings, search, exact, gone))
            gone |= set(findings[-1].remove)
    return findings


def _finding(
    standings: _Standings,
    copies: _CopySets,
    naming: tuple[str, str, str],
    fix: str,
    remove: Sequence[int],
) -> Finding:
    kind, level, message = naming
    largest = max(len(rows) for rows in copies.sets)
    places = standings.places
    return Finding(
        kind=kind,
        level=level,
        message=message,
        fix=fix,
        places=tuple(tuple(places[row] for row in rows) for rows in copies.sets),
        values=tuple(copies.values),
        remove=tuple(places[row] for row in remove),
        details={"sets": len(copies.sets), "images": len(copies.rows), "largest": largest},
    )


def _fitted(standings: _Standings, copies: _CopySets) -> list[int]:
    return [row for row in copies.rows if standings.of[row][0] == FIT]


def _leak(standings: _Standings, copies: _CopySets, exact: bool) -> Finding:
    counts = Counter(standings.of[row][0] for row in copies.rows)
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
        copies,
        (
            "leak" if exact else "near_leak",
            "warning",
            f"{said} {verb} also in train or val, {how}",
        ),
        f"{LEFT_OUT}: this leaves out the training images",
        _fitted(standings, copies),
    )
    finding.details["by_eval"] = {name: counts[name] for name in sorted(counts) if name != FIT}
    return finding


def _conflict(standings: _Standings, copies: _CopySets, exact: bool) -> Finding:
    within = any(
        len({standings.of[row][1] for row in rows if standings.of[row][0] == FIT}) > 1
        for rows in copies.sets
    )
    how = "with the same content" if exact else "that are nearly the same"
    fix = f"give them one label, or {LEFT_OUT}: this leaves out all of them in train and val"
    if not exact:
        # Which of two labels is wrong is for people to say, and both may be right.
        fix = (
            "look at each pair, correct the label that is wrong, or tick what to leave out in "
            "check.html: `--fix` keeps them"
        )
    return _finding(
        standings,
        copies,
        (
            "conflicting_label" if exact else "near_conflicting_label",
            "error" if exact and within else "warning",
            f"{len(copies.rows)} images {how} have different labels",
        ),
        fix,
        _fitted(standings, copies) if exact else [],
    )


def _copy(
    standings: _Standings, copies: _CopySets, exact: bool, gone: Collection[Place]
) -> Finding:
    how = "exact" if exact else "near"
    return _finding(
        standings,
        copies,
        (
            f"{how}_copy",
            "warning" if exact else "note",
            f"{len(copies.rows)} images are {how} copies of each other within their class, in "
            f"{plural(len(copies.sets), 'set')}",
        ),
        f"{LEFT_OUT}: this keeps one image of each set in train and val",
        _repeated(standings, _fitted(standings, copies), gone),
    )


def _repeated(standings: _Standings, rows: Sequence[int], gone: Collection[Place]) -> list[int]:
    """Images of which a direct copy stays, not only a copy of a copy or of what is gone."""
    content, near = standings.copies.content.tolist(), standings.copies.near
    kept: set[tuple[int, str]] = set()
    removed = []
    for row in sorted(rows, key=standings.order):
        if standings.places[row] in gone:
            continue
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
        places: The place of each image, in the same order.
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
    leaked_rows: dict[str, list[int]] = {}
    seen: Counter[str] = Counter()
    for content, place in zip(copies.content.tolist(), places, strict=True):
        if place.split not in FIT_SPLITS:
            leaked = leaked_rows.setdefault(place.split, [])
            if content in reached:
                leaked.append(seen[place.split])
            seen[place.split] += 1
    return leaked_rows


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
