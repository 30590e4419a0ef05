"""What differs between two models that give several labels per image, on one set of images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapt.common.arrays import BoolArray, FloatArray
from adapt.common.content import content_hash
from adapt.comparison.answers import PairedSet, Said
from adapt.comparison.limits import (
    IMAGES,
    POINTS,
    QUANTITIES,
    Quantity,
)
from adapt.comparison.measures import BROKEN, FIXED, SIDES
from adapt.data.labels.label_sets import joined
from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import percentile_interval
from adapt.evaluation.metrics.paired import holm, paired_answers
from adapt.evaluation.robustness.groups import RANKED_FROM
from adapt.evaluation.several_labels.decisions import f1_scores, resampled_f1
from adapt.evaluation.several_labels.ranking import (
    average_precisions,
    centred_interval,
    mean_average_precision,
    resampled_maps,
    resampled_precisions,
)

MEASURE = "mAP"
CHANGED = "changed"
F1 = ("f1_micro", "f1_macro")


def label_measures(paired: PairedSet, names: Sequence[str]) -> dict[str, Any]:
    """All that is compared on one set, ready for JSON; A is the model before, B the one after.

    Intervals are 95 %, over resampled images, the same for both models.

    Args:
        paired: What both models say of images with several labels; the conformal sets are the
            labels that they give.
        names: The classes that both know; others are left out.

    Raises:
        DataError: When an image has a label that no model knows, or none has a label.
    """
    both = sorted({*paired.a.class_names, *paired.b.class_names})
    marks = paired.images.targets(both)[:, [both.index(name) for name in names]].astype(bool)
    if not marks.any():
        raise DataError(
            f"{paired.name} - no label - {len(marks)} images without one of the classes that both "
            "models know - give images with labels"
        )
    odds = [_columns(own, own.probabilities, names) for own in (paired.a, paired.b)]
    given = [_columns(own, own.sets, names) for own in (paired.a, paired.b)]
    shift, flipped = paired.images.shift, flips(paired, names, marks, given)
    kinds = [flip["kind"] for flip in flipped]
    counted = {kind: kinds.count(kind) for kind in (FIXED, BROKEN, CHANGED)}
    return {
        "classes": int(marks.any(axis=0).sum()),
        "labels": int(marks.sum()),
        "shift": None if shift is None else vars(shift),
        "left_out": 0,
        "unreadable": paired.unreadable,
        "images": {"n": len(marks), **counted},
        MEASURE: _ranking(marks, odds),
        **_decided(marks, given),
        "per_class": per_class(names, marks, odds, given),
        "flips": flipped,
    }


def _columns(said: Said, values: Any, names: Sequence[str]) -> Any:
    return values[:, [said.class_names.index(name) for name in names]]


def _ranking(marks: BoolArray, odds: Sequence[FloatArray]) -> dict[str, Any]:
    values = [mean_average_precision(own, marks) for own in odds]
    draws = [resampled_maps(own, marks) for own in odds]
    gain = values[1] - values[0]
    return {
        **_sides(values, [centred_interval(*own) for own in zip(values, draws, strict=True)]),
        "difference": gain,
        "ci": centred_interval(gain, draws[1] - draws[0]),
    }


def _decided(marks: BoolArray, given: Sequence[BoolArray]) -> dict[str, Any]:
    draws = [resampled_f1(own, marks) for own in given]
    scores = [f1_scores(own, marks, 1) for own in given]
    told = {}
    for place, name in enumerate(F1):
        values, drawn = [own[name] for own in scores], [own[place] for own in draws]
        told[name] = {
            **_sides(values, [percentile_interval(own) for own in drawn]),
            "difference": values[1] - values[0],
            "ci": percentile_interval(drawn[1] - drawn[0]),
        }
    return told


def _sides(values: Sequence[float], bounds: Sequence[list[float]]) -> dict[str, Any]:
    ends = {f"{side}_ci": own for side, own in zip(SIDES, bounds, strict=True)}
    return dict(zip(SIDES, values, strict=True)) | ends


def per_class(
    names: Sequence[str],
    marks: BoolArray,
    odds: Sequence[FloatArray],
    given: Sequence[BoolArray],
) -> list[dict[str, Any]]:
    """Average precision and decisions of both models for each class that occurs.

    Args:
        names: The K classes.
        marks: Shape (N, K).
        odds: Probabilities of A and of B, (N, K) each.
        given: The labels that they give, (N, K) each.

    Returns:
        Rows, the lowest change of average precision first: `n` images with the class, `a`, `b`,
        `difference` and `ci` of average precision, and of the yes or no of each image how many B
        `fixed` and `broke`, with McNemar's exact `p` and `p_holm`, which holds for all classes.
    """
    precisions = [average_precisions(own, marks) for own in odds]
    draws = [resampled_precisions(own, marks) for own in odds]
    rows = []
    for k in np.flatnonzero(marks.any(axis=0)).tolist():
        a, b = (float(own[k]) for own in precisions)
        drawn = draws[1][:, k] - draws[0][:, k]
        decided = paired_answers(*(own[:, k] == marks[:, k] for own in given))
        rows.append(
            {
                "name": names[k],
                "n": int(marks[:, k].sum()),
                "a": a,
                "b": b,
                "difference": b - a,
                "ci": centred_interval(b - a, drawn[~np.isnan(drawn)]),
                **{key: decided[key] for key in (FIXED, BROKEN, "p")},  # type: ignore[literal-required]
            }
        )
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row |= {"p_holm": p, "ranked": row["n"] >= RANKED_FROM}
    return sorted(rows, key=lambda row: (row["difference"], row["name"]))


def flips(
    paired: PairedSet, names: Sequence[str], marks: BoolArray, given: Sequence[BoolArray]
) -> list[dict[str, Any]]:
    """The images to which the models give other labels, those first where most labels changed.

    `kind` says whether B decides on more labels rightly (`fixed`), on fewer (`broken`) or on as
    many (`changed`); `gained` are the labels that it got right, `lost` those that it got wrong.

    Args:
        paired: The set.
        names: The K classes.
        marks: Shape (N, K).
        given: The labels that A and B give, (N, K) each.
    """
    right = [own == marks for own in given]
    gained, lost = right[1] & ~right[0], right[0] & ~right[1]
    change = gained.sum(axis=1) - lost.sum(axis=1)
    rows = np.flatnonzero((given[0] != given[1]).any(axis=1))
    images, hashes = paired.images, paired.hashes
    return [
        {
            "kind": FIXED if change[row] > 0 else BROKEN if change[row] < 0 else CHANGED,
            "row": int(row),
            "path": images.relative(int(row)),
            "sha256": content_hash(images.paths[row]) if hashes is None else hashes[row],
            "true": _named(names, marks[row]),
            **{
                side: {"label": _named(names, own[row])}
                for side, own in zip(SIDES, given, strict=True)
            },
            "gained": _listed(names, gained[row]),
            "lost": _listed(names, lost[row]),
        }
        for row in rows[np.argsort(-np.abs(change[rows]), kind="stable")]
    ]


def _listed(names: Sequence[str], own: BoolArray) -> list[str]:
    return [name for name, there in zip(names, own, strict=True) if there]


def _named(names: Sequence[str], own: BoolArray) -> str:
    return joined(sorted(_listed(names, own)))


def _change(name: str, end: int | None = None) -> Any:
    def read(own: Mapping[str, Any]) -> float:
        told = own[name]
        return 100 * float(told["difference"] if end is None else told["ci"][end])

    return read


def _worst_class(own: Mapping[str, Any]) -> float | None:
    rows = [row for row in own["per_class"] if row["ranked"]]
    return min((100 * float(row["difference"]) for row in rows), default=None)


LABEL_QUANTITIES = {
    "mAP": Quantity("B - A, mean average precision", POINTS, _change(MEASURE)),
    "mAP_low": Quantity("lower end of its 95 % interval", POINTS, _change(MEASURE, 0)),
    "mAP_high": Quantity("upper end of its 95 % interval", POINTS, _change(MEASURE, 1)),
    "f1_micro": Quantity("B - A, F1 over all decisions", POINTS, _change("f1_micro")),
    "f1_macro": Quantity("B - A, mean F1 of the classes", POINTS, _change("f1_macro")),
    "worst_class": Quantity(
        "lowest B - A, average precision, among classes of 20 images or more",
        POINTS,
        _worst_class,
        "none has 20 images or more",
    ),
    "fixed": Quantity(
        "images on which B decides on more labels rightly", IMAGES, lambda own: own["images"][FIXED]
    ),
    "broken": Quantity(
        "images on which B decides on fewer labels rightly",
        IMAGES,
        lambda own: own["images"][BROKEN],
    ),
    **{name: QUANTITIES[name] for name in ("latency", "size")},
}
"""What can be limited for models of several labels."""
