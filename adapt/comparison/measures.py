"""What differs between two models on one set of images: accuracy, flips, classes, groups, ..."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapt.common.arrays import BoolArray, FloatArray, IntArray
from adapt.common.content import content_hash
from adapt.common.words import first_few, plural
from adapt.comparison.answers import PairedSet, Said
from adapt.errors import DataError
from adapt.evaluation.evaluate import softmax
from adapt.evaluation.metrics.calibration import calibration_by_chance
from adapt.evaluation.metrics.masking import mask_absent
from adapt.evaluation.metrics.paired import PairedAnswers, holm, paired_answers
from adapt.evaluation.metrics.scores import score
from adapt.evaluation.robustness.groups import NO_VALUE, RANKED_FROM, group_columns
from adapt.evaluation.uncertainty.conformal import set_scores
from adapt.evaluation.uncertainty.selective import Answered, answered_scores

FIXED, BROKEN = "fixed", "broken"
SIDES = ("a", "b")
_LEAST = 1e-300
"""A probability that is 0 in float64 has a logarithm all the same."""


@dataclass(frozen=True)
class Matched:
    """A set reduced to the classes that both models know, and that occur in it."""

    paired: PairedSet
    names: list[str]
    """The C classes that both models know."""
    targets: IntArray
    """Shape (N,)."""
    logits: tuple[FloatArray, FloatArray]
    """Of A and of B, shape (N, C): log-probabilities, minus infinity where a class cannot win."""
    present: int
    """Classes that occur."""
    left_out: int
    """Images of a class that not both models know."""

    @property
    def right(self) -> tuple[BoolArray, BoolArray]:
        """Where A and where B is right, shape (N,)."""
        first, second = (own.argmax(axis=1) == self.targets for own in self.logits)
        return first, second


def common_classes(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """The classes that both models know, in A's order.

    Raises:
        DataError: When there are fewer than two: nothing can be compared.

    >>> common_classes(["cat", "dog", "cow"], ["cow", "cat"])
    ['cat', 'cow']
    """
    shared = [name for name in a if name in set(b)]
    if len(shared) < 2:
        given = f"A knows {first_few(a)}; B knows {first_few(b)}"
        raise DataError(
            f"classes - {plural(len(shared), 'class')} in common - {given} - compare models that "
            "share two classes or more"
        )
    return shared


def matched(paired: PairedSet, names: list[str]) -> Matched:
    """Leave only the classes that both models know to choose from, and images of these.

    As everywhere in scores, classes that do not occur in the set cannot be answered either.

    Args:
        paired: A set.
        names: The classes in common.

    Raises:
        DataError: When an image has a class that no model knows, or none is left.
    """
    both = paired.a.class_names, paired.b.class_names
    paired.images.targets(sorted({*both[0], *both[1]}))  # says which class nobody knows
    rows = np.flatnonzero(np.isin(paired.images.labels, names))
    if not len(rows):
        given = f"{first_few(paired.images.class_names)} against {first_few(names)}"
        raise DataError(
            f"{paired.name} - no image of a class that both models know - {given} - give images "
            "of the classes in common"
        )
    left_out = len(paired.images) - len(rows)
    kept = paired.rows(rows) if left_out else paired
    targets = kept.images.targets(names)
    logits = tuple(_logits(own, names, targets) for own in (kept.a, kept.b))
    return Matched(kept, names, targets, (logits[0], logits[1]), len(np.unique(targets)), left_out)


def _logits(said: Said, names: Sequence[str], targets: IntArray) -> FloatArray:
    place = {name: column for column, name in enumerate(said.class_names)}
    chosen = said.probabilities[:, [place[name] for name in names]]
    masked = mask_absent(np.log(np.maximum(chosen, _LEAST)), targets)
    return np.asarray(masked.logits, np.float64)


def set_measures(given: Matched) -> dict[str, Any]:
    """All that is compared on one set, ready for JSON; A is the model before, B the one after."""
    right, targets, paired = given.right, given.targets, given.paired
    shift = paired.images.shift
    by_side = dict(zip(SIDES, given.logits, strict=True))
    scores = {side: score(own, targets) for side, own in by_side.items()}
    return {
        "classes": given.present,
        "shift": None if shift is None else vars(shift),
        "left_out": given.left_out,
        "unreadable": paired.unreadable,
        "accuracy": paired_answers(*right),
        "changed": int((given.logits[0].argmax(1) != given.logits[1].argmax(1)).sum()),
        "scores": scores,
        "ece_by_chance": {
            side: None if scores[side]["ece"] is None else calibration_by_chance(own)
            for side, own in by_side.items()
        },
        "answered": _answered(paired),
        "sets": _sets(paired),
        "per_class": per_class(given),
        "groups": per_group(given),
        "flips": flips(given),
    }


def per_class(given: Matched) -> list[dict[str, Any]]:
    """Recall of both models in every class that occurs, most broken first.

    `p_holm` may be read class by class: see `holm`.
    """
    before, after = given.right
    rows = [
        {"name": given.names[number], **paired_answers(before[own], after[own])}
        for number in np.unique(given.targets)
        for own in [given.targets == number]
    ]
    return _ranked(rows)


def per_group(given: Matched) -> dict[str, list[dict[str, Any]]]:
    """Accuracy of both models in the groups of every metadata column that sorts the images."""
    before, after = given.right
    tables = {}
    for column, cells in group_columns(given.paired.images).items():
        values = np.array([cell or NO_VALUE for cell in cells])
        rows = [
            {"name": str(value), **paired_answers(before[own], after[own])}
            for value in np.unique(values)
            for own in [values == value]
        ]
        tables[column] = _ranked(rows)
    return tables


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    adjusted = holm([row["p"] for row in rows])
    marked = [
        {**row, "p_holm": value, "ranked": row["n"] >= RANKED_FROM}
        for row, value in zip(rows, adjusted, strict=True)
    ]
    return sorted(marked, key=lambda row: (row["difference"], row["name"]))


def flips(given: Matched) -> list[dict[str, Any]]:
    """The images that B fixed or broke, those of which it is most confident first.

    `row` is the position of the image in the set, `sha256` the hash of its file.
    """
    before, after = given.right
    images, hashes = given.paired.images, given.paired.hashes
    probabilities = [softmax(own) for own in given.logits]
    answers = [own.argmax(axis=1) for own in probabilities]
    confidence = [own.max(axis=1) for own in probabilities]
    rows = np.flatnonzero(before != after)
    ordered = rows[np.argsort(-confidence[1][rows], kind="stable")]
    return [
        {
            "kind": FIXED if after[row] else BROKEN,
            "row": int(row),
            "path": images.relative(int(row)),
            "sha256": content_hash(images.paths[row]) if hashes is None else hashes[row],
            "true": images.labels[row],
            **{
                side: {"label": given.names[answers[i][row]], "confidence": confidence[i][row]}
                for i, side in enumerate(SIDES)
            },
        }
        for row in ordered
    ]


def _answered(paired: PairedSet) -> dict[str, Any] | None:
    """How much each model answers at its own threshold; None where not both store one."""
    if paired.a.abstained is None or paired.b.abstained is None:
        return None
    return {side: _answered_by(getattr(paired, side), paired) for side in SIDES}


def _answered_by(said: Said, paired: PairedSet) -> Answered:
    assert said.abstained is not None
    right = said.probabilities.argmax(axis=1) == paired.images.targets(said.class_names)
    return answered_scores(~said.abstained, right, threshold=1.0)


def _sets(paired: PairedSet) -> dict[str, Any] | None:
    """Coverage and size of the conformal sets; None where not both models have some."""
    if paired.a.sets is None or paired.b.sets is None:
        return None
    return {
        side: set_scores(own.sets, paired.images.targets(own.class_names))
        for side, own in zip(SIDES, (paired.a, paired.b), strict=True)
        if own.sets is not None
    }


def shift_mean(differences: Sequence[PairedAnswers]) -> dict[str, Any] | None:
    """Mean over the shifts of the difference in accuracy, and an interval that is wide enough.

    Shifts may share images: the mean of the ends holds for every correlation between them.

    Args:
        differences: Of each shift; None comes back without any.
    """
    if not differences:
        return None
    ends = np.array([own["ci"] for own in differences], np.float64)
    values = [own["difference"] or 0.0 for own in differences]
    return {
        "shifts": len(values),
        "difference": float(np.mean(values)),
        "ci": ends.mean(axis=0).tolist(),
        "a": float(np.mean([own["a"] for own in differences])),
        "b": float(np.mean([own["b"] for own in differences])),
    }
