"""How much accuracy a model keeps under shift, compared with what its accuracy lets one expect.

Accuracies are from 0 to 1; `id` is the eval of the training distribution, `ood` a shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from adapt.common.arrays import BoolArray, FloatArray
from adapt.errors import DataError
from adapt.evaluation.metrics.bootstrap import percentile_interval, resampling_counts
from adapt.evaluation.metrics.masking import check_logits

Point = tuple[float, float]
"""Accuracy on id and on ood of one model."""


class ModelRobustness(TypedDict):
    """One model on one shift; see `shift_robustness`."""

    id: float
    ood: float
    effective: float | None
    effective_ci: list[float] | None
    relative: float
    gap_closed: float | None


class ShiftRobustness(TypedDict):
    """All models on one shift; `reason` says why there is no `fit`."""

    fit: dict[str, float] | None
    reason: str | None
    models: dict[str, ModelRobustness]


class CorruptionError(TypedDict):
    """What `corruption_error` says of one model; the start has 1 everywhere."""

    mean: float | None
    kinds: dict[str, float | None]


class Flips(TypedDict):
    """What `flip_rate` returns: fractions of the n images, and the 95 % interval of `rate`."""

    n: int
    rate: float
    gained: float
    lost: float
    ci: list[float]


@dataclass(frozen=True)
class LogitLine:
    """The accuracy under shift that is usual at an id accuracy: a straight line on logit axes.

    >>> LogitLine(slope=1.0, intercept=0.0, models=5).expected(0.7, 100).round(3).item()
    0.7
    """

    slope: float
    intercept: float
    models: int
    """How many models it was fitted on."""

    def expected(self, accuracy: npt.ArrayLike, images: int) -> FloatArray:
        """The usual accuracy on the shift, sigmoid(slope * logit(id) + intercept).

        Args:
            accuracy: On id, of any shape.
            images: How many it was measured on; see `clipped_logit`.
        """
        usual: FloatArray = expit(self.slope * clipped_logit(accuracy, images) + self.intercept)
        return usual


def clipped_logit(accuracy: npt.ArrayLike, images: int) -> FloatArray:
    """log(p / (1 - p)), finite: p is kept half an image away from 0 and 1.

    Args:
        accuracy: From 0 to 1, of any shape.
        images: How many images n they were measured on; p is clipped to (0.5/n, 1 - 0.5/n).

    >>> clipped_logit([0.5, 1.0], 10).round(3).tolist()
    [0.0, 2.944]
    """
    half = 0.5 / images
    values: FloatArray = logit(np.clip(np.asarray(accuracy, np.float64), half, 1 - half))
    return values


def fit_logit_line(points: Sequence[Point], id_images: int, ood_images: int) -> LogitLine | None:
    """Least squares of logit(ood) on logit(id) over reference models.

    Args:
        points: Accuracies (id, ood) of each reference model.
        id_images: Images that id was measured on, for the clipping.
        ood_images: Images that ood was measured on.

    Returns:
        The line, or None when the models do not have two different id accuracies.

    >>> fit_logit_line([(0.5, 0.5), (0.8, 0.8), (0.9, 0.9)], 100, 100).slope
    1.0
    """
    pairs = np.array(points, dtype=np.float64).reshape(-1, 2)
    x, y = clipped_logit(pairs[:, 0], id_images), clipped_logit(pairs[:, 1], ood_images)
    if len(np.unique(x)) < 2:
        return None
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return LogitLine(slope, float(y.mean() - slope * x.mean()), len(x))


def effective_robustness(
    line: LogitLine,
    id_right: npt.ArrayLike,
    ood_right: npt.ArrayLike,
    paired: bool = False,
    samples: int = 1000,
    seed: int = 0,
) -> tuple[FloatArray, list[list[float]]]:
    """Accuracy under shift above what the line expects (Taori et al. 2020, arXiv:2007.00644).

    The 95 % intervals come from resampling the id and the ood images while the line stays fixed:
    how uncertain the line is, with its few models, is not in them.

    Args:
        line: Fitted on reference models.
        id_right: Shape (N, M), 1 where model m is right on id image n.
        ood_right: Shape (N', M), the same for the shift.
        paired: Whether both are the same images in the same order, as for a corruption of id; they
            are then resampled together.
        samples: Number of bootstrap samples.
        seed: Same seed, same intervals.

    Returns:
        Effective robustness (M,), from -1 to 1, and ``[low, high]`` for each model.

    Raises:
        DataError: When a shape is wrong.
    """
    first, second = (np.asarray(right, dtype=np.float64) for right in (id_right, ood_right))
    fit = first.ndim == second.ndim == 2 and first.shape[1] == second.shape[1]
    if not fit or not len(first) or not len(second) or (paired and len(first) != len(second)):
        raise DataError(
            f"id_right, ood_right - not of the same models - shapes {first.shape} and "
            f"{second.shape}, paired={paired} - give (images, models), when paired as many images"
        )
    effective = second.mean(axis=0) - line.expected(first.mean(axis=0), len(first))
    # Another stream for other images: with equal indices, sets of one size would look paired.
    drawn_id, drawn_ood = (
        np.concatenate(
            [counts @ right / len(right) for counts in resampling_counts(len(right), *how)]
        )
        for right, how in ((first, (samples, seed)), (second, (samples, seed + (not paired))))
    )
    drawn = drawn_ood - line.expected(drawn_id, len(first))
    return effective, [percentile_interval(column) for column in drawn.T]


def gap_closed(model: Point, start: Point) -> float | None:
    """Fraction of the start's robustness gap that a model closes, where gap = id - ood.

    Args:
        model: Accuracies (id, ood) of the model.
        start: Accuracies (id, ood) of the start.

    Returns:
        1 - gap(model) / gap(start): 1 when nothing is left of the gap, 0 when all of it, below 0
        when it grew; None when the start has no gap.

    >>> round(gap_closed((0.9, 0.8), (0.8, 0.6)), 3), gap_closed((0.9, 0.8), (0.7, 0.7))
    (0.5, None)
    """
    before, after = start[0] - start[1], model[0] - model[1]
    return 1 - after / before if before > 0 else None


def shift_robustness(
    id_right: Mapping[str, BoolArray],
    ood_right: Mapping[str, BoolArray],
    references: Sequence[Point],
    start: str,
    paired: bool = False,
    seed: int = 0,
) -> ShiftRobustness:
    """Effective and relative robustness of every model on one shift.

    Args:
        id_right: By model, shape (N,): where it is right on id, on the classes of the shift.
        ood_right: By model, shape (N',): where it is right on the shift.
        references: Accuracies (id, ood) of the models to fit the line on.
        start: Name of the model that `relative` (ood minus its ood) and `gap_closed` refer to.
        paired: Whether id and shift are the same images; see `effective_robustness`.
        seed: Same seed, same intervals.

    Returns:
        The line (`slope`, `intercept`, `models`) or the reason why there is none, and the models.

    Raises:
        DataError: When the two do not have the same models, or the start is not among them.
    """
    if start not in id_right or id_right.keys() != ood_right.keys():
        raise DataError(
            f"models - not the same on id and shift, with the start - {sorted(id_right)} and "
            f"{sorted(ood_right)} - give {start!r} and the same others on both"
        )
    on_id = np.stack(list(id_right.values()), axis=1)
    on_ood = np.stack([ood_right[name] for name in id_right], axis=1)
    line = fit_logit_line(references, len(on_id), len(on_ood))
    effective: list[float | None] = [None] * len(id_right)
    intervals: list[list[float] | None] = [None] * len(id_right)
    reason = None
    if line is None:
        different = len({point[0] for point in references})
        reason = (
            f"{len(references)} reference models, {different} id accuracies: a line needs two "
            "different ones"
        )
    else:
        values, drawn = effective_robustness(line, on_id, on_ood, paired, seed=seed)
        effective, intervals = list(map(float, values)), list(drawn)
    points = {
        name: (float(id_right[name].mean()), float(ood_right[name].mean())) for name in id_right
    }
    models = {
        name: ModelRobustness(
            id=point[0],
            ood=point[1],
            effective=value,
            effective_ci=interval,
            relative=point[1] - points[start][1],
            gap_closed=gap_closed(point, points[start]),
        )
        for (name, point), value, interval in zip(points.items(), effective, intervals, strict=True)
    }
    return ShiftRobustness(fit=vars(line) if line else None, reason=reason, models=models)


def corruption_error(
    kinds: Mapping[str, str], accuracies: Mapping[str, Mapping[str, float]], start: str
) -> dict[str, CorruptionError]:
    """Errors under corruption relative to the start (Hendrycks & Dietterich, arXiv:1903.12261).

    Per kind, the model's errors summed over the severities (and over the sets that were corrupted)
    are divided by the start's; `mean` is over kinds. The paper divides by AlexNet's: compare these
    numbers within a run only. Below 1 is better than the start.

    Args:
        kinds: Kind of corruption of each corrupted eval, by name of the eval.
        accuracies: By model and eval.
        start: Name of the model to divide by.

    Returns:
        By model; None for a kind on which the start makes no error, and as `mean` when none is
        left. Empty when nothing is corrupted.

    Raises:
        DataError: When the start, or an accuracy on one of the evals, is missing.
    """
    for name in (start, *accuracies):
        missing = [eval_ for eval_ in kinds if eval_ not in accuracies.get(name, {})]
        if missing:
            raise DataError(
                f"accuracies - missing - {name!r} on {missing[0]!r} - score every model on every "
                "corrupted eval"
            )
    if not kinds:
        return {}
    errors = {name: _errors_by_kind(kinds, own) for name, own in accuracies.items()}
    relative = {}
    for name, own in errors.items():
        ratios = {kind: own[kind] / base if base else None for kind, base in errors[start].items()}
        known = [ratio for ratio in ratios.values() if ratio is not None]
        mean = float(np.mean(known)) if known else None
        relative[name] = CorruptionError(mean=mean, kinds=ratios)
    return relative


def _errors_by_kind(kinds: Mapping[str, str], accuracy: Mapping[str, float]) -> dict[str, float]:
    sums: dict[str, float] = dict.fromkeys(kinds.values(), 0.0)
    for name, kind in kinds.items():
        sums[kind] += 1 - accuracy[name]
    return sums


def flip_rate(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    targets: npt.ArrayLike,
    samples: int = 1000,
    seed: int = 0,
) -> Flips:
    """How many predictions differ between two models on the same images, and for better or worse.

    Args:
        before: Logits (N, K) of the first model.
        after: Logits (N, K) of the second model, same images in the same order.
        targets: Shape (N,), class indices.
        samples: Number of bootstrap samples.
        seed: Same seed, same interval.

    Returns:
        `rate` of changed predictions with its interval; `gained`, right now and wrong before;
        `lost`, wrong now and right before. The rest of `rate` went from one mistake to another.

    Raises:
        DataError: When the arrays are malformed or differ in shape.

    >>> flip_rate([[1, 0], [1, 0], [0, 1]], [[0, 1], [1, 0], [1, 0]], [1, 0, 1])["gained"]
    0.3333333333333333
    """
    first, indices = check_logits(before, targets)
    second, _ = check_logits(after, targets)
    if first.shape != second.shape:
        raise DataError(
            f"before, after - not the same classes - shapes {first.shape} and {second.shape} - "
            "give logits of two models of the same classes"
        )
    old, new = first.argmax(axis=1), second.argmax(axis=1)
    changed = old != new
    counts = resampling_counts(len(indices), samples, seed)
    drawn = np.concatenate([block @ changed.astype(np.float64) for block in counts]) / len(indices)
    return Flips(
        n=len(indices),
        rate=float(changed.mean()),
        gained=float((changed & (new == indices)).mean()),
        lost=float((changed & (old == indices)).mean()),
        ci=percentile_interval(drawn),
    )
