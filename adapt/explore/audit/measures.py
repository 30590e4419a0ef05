"""Accuracy and recall by group, the gap of each group to all others, and control of many tests."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.common.arrays import BoolArray, IntArray
from adapt.evaluation.metrics.intervals import mean_of_proportions_interval, proportion_interval
from adapt.evaluation.metrics.paired import paired_answers
from adapt.evaluation.robustness.gaps import (
    Counts,
    adjusted_for_many,
    difference_of_proportions_interval,
    fisher_exact,
)
from adapt.evaluation.robustness.groups import NO_VALUE

Content = dict[str, Any]
MODEL, START = "model", "start"


@dataclass(frozen=True)
class GradedAnswers:
    """N images with their true classes, and which answers are right."""

    targets: IntArray
    """Class numbers, shape (N,)."""
    class_names: list[str]
    right: dict[str, BoolArray]
    """By `model` and, where it is known, `start`: shape (N,)."""


class Family:
    """Tests whose p-values are adjusted together.

    >>> family, gap = Family(), {"p": 0.01}
    >>> family.add(gap), family.close(0.05, "bh"), gap["clear"]
    (None, None, True)
    """

    def __init__(self) -> None:
        self.tests = list[Content]()
        self._mirrored = list[tuple[Content, Content]]()

    def add(self, test: Content) -> None:
        """Count a test; it has a `p`."""
        self.tests.append(test)

    def mirror(self, test: Content, of: Content) -> None:
        """A test that is another one seen from the other side, and no second test."""
        self._mirrored.append((test, of))

    def close(self, level: float, correction: str) -> None:
        """Write `p_adjusted` and `clear` into every test."""
        adjusted = adjusted_for_many([test["p"] for test in self.tests], correction)
        for test, value in zip(self.tests, adjusted, strict=True):
            test["p_adjusted"], test["clear"] = value, value <= level
        for test, first in self._mirrored:
            test["p_adjusted"], test["clear"] = first["p_adjusted"], first["clear"]


def rate(hits: int, images: int) -> Content:
    """A proportion with its interval (Wilson), for JSON.

    >>> rate(1, 2)["value"]
    0.5
    """
    return {"hits": hits, "value": hits / images, "ci": proportion_interval(hits, images)}


def gaps_to_the_rest(counts: Sequence[Counts], least: int, family: Family) -> list[Content | None]:
    """The gap of each group to all other groups together.

    Two groups are compared once: the gap of the second is that of the first with another sign.

    Args:
        counts: Hits and images of each group.
        least: Images that the group and the others together need; else there is no gap.
        family: Takes the tests.

    Returns:
        `difference`, `ci` and `p` of each group.
    """
    hits, images = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    made = list[Content | None]()
    for own in counts:
        rest = hits - own[0], images - own[1]
        if min(own[1], rest[1]) < least:
            made.append(None)
            continue
        gap = {
            "difference": own[0] / own[1] - rest[0] / rest[1],
            "ci": difference_of_proportions_interval(own, rest),
            "p": fisher_exact(own, rest),
        }
        first = made[0] if len(counts) == 2 and made else None
        if first is None:
            family.add(gap)
        else:
            family.mirror(gap, first)
        made.append(gap)
    return made


def audit_columns(
    answered: GradedAnswers,
    columns: dict[str, list[str]],
    least: int,
    level: float,
    correction: str,
) -> Content:
    """All numbers of an audit, ready for JSON.

    Args:
        answered: What is right.
        columns: See `groups_by`.
        least: Images below which a group, or a class in a group, is not judged.
        level: A gap is clear where its adjusted p-value is at most this.
        correction: See `adjusted_for_many`.

    Returns:
        `overall`, `columns` with `groups`, `recalls`, `worst`, `best` and `spread` of each, and how
        many `tests` were made of each kind.
    """
    families = {"accuracy": Family(), "recall": Family(), "change": Family()}
    made = {
        name: _column(answered, np.array(values), least, families)
        for name, values in columns.items()
    }
    for family in families.values():
        family.close(level, correction)
    return {
        "overall": _rates(answered, np.ones(len(answered.targets), np.bool_)),
        "columns": made,
        "tests": {name: len(family.tests) for name, family in families.items()},
    }


def _column(
    answered: GradedAnswers, values: np.ndarray, least: int, families: dict[str, Family]
) -> Content:
    names = sorted(set(values.tolist()), key=lambda name: (name == NO_VALUE, name))
    masks = [values == name for name in names]
    groups = [
        {"name": name, "n": int(own.sum()), "small": bool(own.sum() < least)}
        | _rates(answered, own)
        for name, own in zip(names, masks, strict=True)
    ]
    counts = [(group[MODEL]["accuracy"]["hits"], group["n"]) for group in groups]
    gaps = gaps_to_the_rest(counts, least, families["accuracy"])
    for group, own, gap in zip(groups, masks, gaps, strict=True):
        group["gap"] = gap
        group["change"] = _change(answered, own, group["small"], families["change"])
    ranked = sorted(
        (group for group in groups if not group["small"]),
        key=lambda group: group[MODEL]["accuracy"]["value"],
    )
    return {
        "groups": groups,
        "small": [group["name"] for group in groups if group["small"]],
        "worst": ranked[0]["name"] if ranked else None,
        "best": ranked[-1]["name"] if ranked else None,
        "spread": _spread(ranked),
        "recalls": _recalls(answered, list(zip(names, masks, strict=True)), least, families),
        "extra": [],
    }


def _rates(answered: GradedAnswers, own: BoolArray) -> Content:
    """Accuracy and balanced accuracy of the model and the start on some images."""
    targets = answered.targets[own]
    images = np.bincount(targets, minlength=len(answered.class_names))
    shown = images > 0
    rates: Content = {"classes": int(shown.sum()), START: None}
    for side, right in answered.right.items():
        hits = np.bincount(targets[right[own]], minlength=len(images))
        balanced = float((hits[shown] / images[shown]).mean())
        rates[side] = {
            "accuracy": rate(int(hits.sum()), int(images.sum())),
            "balanced": {
                "value": balanced,
                "ci": mean_of_proportions_interval(hits[shown], images[shown]),
            },
        }
    return rates


def _change(answered: GradedAnswers, own: BoolArray, small: bool, family: Family) -> Content | None:
    """The model against the start on the images of a group."""
    if START not in answered.right:
        return None
    told = paired_answers(answered.right[START][own], answered.right[MODEL][own])
    change: Content = {key: told[key] for key in ("difference", "ci", "fixed", "broken", "p")}
    if small:
        change["p_adjusted"], change["clear"] = None, False
    else:
        family.add(change)
    return change


def _spread(ranked: Sequence[Content]) -> Content | None:
    """Best minus worst group, with an interval that holds for whichever two groups these are."""
    if len(ranked) < 2:
        return None
    worst, best = (
        (group[MODEL]["accuracy"]["hits"], group["n"]) for group in (ranked[0], ranked[-1])
    )
    pairs = len(ranked) * (len(ranked) - 1) // 2
    return {
        "difference": best[0] / best[1] - worst[0] / worst[1],
        "ci": difference_of_proportions_interval(best, worst, 1 - 0.05 / pairs),
        "pairs": pairs,
    }


def _recalls(
    answered: GradedAnswers,
    groups: Sequence[tuple[str, BoolArray]],
    least: int,
    families: dict[str, Family],
) -> list[Content]:
    """Recall of every class in every group that has images of it."""
    rows = list[Content]()
    for number in np.unique(answered.targets).tolist():
        cells = [(name, own & (answered.targets == number)) for name, own in groups]
        cells = [(name, own) for name, own in cells if own.any()]
        counts = [(int(answered.right[MODEL][own].sum()), int(own.sum())) for _, own in cells]
        gaps = gaps_to_the_rest(counts, least, families["recall"])
        for (name, own), (hits, images), gap in zip(cells, counts, gaps, strict=True):
            before = answered.right.get(START)
            rows.append(
                {
                    "class": answered.class_names[number],
                    "group": name,
                    "n": images,
                    "small": images < least,
                    MODEL: rate(hits, images),
                    START: None if before is None else rate(int(before[own].sum()), images),
                    "gap": gap,
                }
            )
    return rows


def clear_gaps(column: Content) -> Content:
    """The clear gaps of a column: groups and classes in groups, the largest first.

    Args:
        column: One of `columns` of `audit_columns`.

    Returns:
        `below` and `above`: names of groups; `recalls_below`: rows of `recalls`.
    """
    by = defaultdict[str, list[str]](list)
    for group in sorted(
        (group for group in column["groups"] if group["gap"] and group["gap"]["clear"]),
        key=lambda group: -abs(group["gap"]["difference"]),
    ):
        by["below" if group["gap"]["difference"] < 0 else "above"].append(group["name"])
    recalls = [
        row
        for row in column["recalls"]
        if row["gap"] and row["gap"]["clear"] and row["gap"]["difference"] < 0
    ]
    recalls.sort(key=lambda row: row["gap"]["difference"])
    return {"below": by["below"], "above": by["above"], "recalls_below": recalls}
