"""How much accuracy a model keeps under shift, compared with what its accuracy lets one expect.

Accuracies are from 0 to 1; `id` is the eval of the training distribution, `ood` a shift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, stdtrit

from adapt.common.arrays import BoolArray, FloatArray
from adapt.common.words import plural
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_ends, proportion_interval
from adapt.evaluation.metrics.masking import check_logits

Point = tuple[float, float]
"""Accuracy on id and on ood of one model."""
FEWEST_REFERENCES = 10
"""Models that a line must go through: with fewer, their luck on a few hundred images decides it."""
NO_REFERENCES = "no reference models were measured on the shift"


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
    ci: list[float] | None


@dataclass(frozen=True)
class LogitLine:
    """The accuracy under shift that is usual at an id accuracy: a straight line on logit axes.

    >>> LogitLine(slope=1.0, intercept=0.0, models=20).expected(0.7, 100).round(3).item()
    0.7
    """

    slope: float
    intercept: float
    models: int
    """How many models it was fitted on."""
    slope_ci: tuple[float, float] = (-np.inf, np.inf)
    """The 95 % interval of the slope; without end where two models leave nothing to judge it by."""

    def expected(self, accuracy: npt.ArrayLike, images: int) -> FloatArray:
        """The usual accuracy on the shift, sigmoid(slope * logit(id) + intercept).

        Args:
            accuracy: On id, of any shape.
            images: How many it was measured on; see `clipped_logit`.
        """
        usual: FloatArray = expit(self.slope * clipped_logit(accuracy, images) + self.intercept)
        return usual

    @property
    def objection(self) -> str | None:
        """Why the line does not tell what is usual; None where it does."""
        if self.models < FEWEST_REFERENCES:
            return (
                f"the line would rest on {plural(self.models, 'reference model')}, fewer than "
                f"{FEWEST_REFERENCES}"
            )
        if self.slope_ci[0] <= 0:
            return (
                f"the line through {self.models} reference models does not clearly rise: models "
                "that are better on the test set are not better on the shift"
            )
        return None


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
    freedom, ends = len(x) - 2, (-np.inf, np.inf)
    if freedom > 0:
        residual = y - y.mean() - slope * centred
        error = np.sqrt((residual @ residual) / freedom / (centred @ centred))
        reach = float(stdtrit(freedom, 0.975) * error)
        ends = (slope - reach, slope + reach)
    return LogitLine(slope, float(y.mean() - slope * x.mean()), len(x), ends)


def effective_robustness(
    line: LogitLine,
    id_right: npt.ArrayLike,
    ood_right: npt.ArrayLike,
    paired: bool = False,
    interval: str = WILSON,
) -> tuple[FloatArray, list[list[float]]]:
    """Accuracy under shift above what the line expects (Taori et al. 2020, arXiv:2007.00644).

    The 95 % interval combines those of both accuracies (Zou and Donner 2008), while the line stays
    fixed: how uncertain the line is, is not in it.

    Args:
        line: Fitted on reference models; it rises.
        id_right: Shape (N, M), 1 where model m is right on id image n.
        ood_right: Shape (N', M), the same for the shift.
        paired: Whether both are the same images in the same order, as for a corruption of id; what
            makes an image hard for both then cancels out.
        interval: Of proportions; see `proportion_interval`.

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
    usual = line.expected(first.mean(axis=0), len(first))
    effective: FloatArray = second.mean(axis=0) - usual
    id_low, id_high = proportion_ends(first.sum(axis=0), np.full(len(usual), len(first)), interval)
    low, high = proportion_ends(second.sum(axis=0), np.full(len(usual), len(second)), interval)
    # What the line expects at the ends of the id accuracy, in the order of the expectations.
    ends = np.sort([line.expected(end, len(first)) for end in (id_low, id_high)], axis=0)
    linked = _correlations(first, second) if paired else np.zeros(len(usual))
    below = _combined(second.mean(axis=0) - low, np.maximum(ends[1] - usual, 0), linked)
    above = _combined(high - second.mean(axis=0), np.maximum(usual - ends[0], 0), linked)
    return effective, np.stack([effective - below, effective + above], axis=1).tolist()


def _combined(first: FloatArray, second: FloatArray, correlation: FloatArray) -> FloatArray:
    """The reach of a difference, of the reaches of its two sides."""
    squares = first**2 + second**2 - 2 * correlation * first * second
    reach: FloatArray = np.sqrt(np.maximum(squares, 0))
    return reach


def _correlations(first: FloatArray, second: FloatArray) -> FloatArray:
    """Correlation of two columns of answers, model by model; 0 where one does not vary."""
    one, two = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.sqrt((one**2).sum(axis=0) * (two**2).sum(axis=0))
    linked: FloatArray = np.divide(
        (one * two).sum(axis=0), scale, out=np.zeros_like(scale), where=scale > 0
    )
    return np.maximum(linked, 0)


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
    interval: str = WILSON,
) -> ShiftRobustness:
    """Effective and relative robustness of every model on one shift.

    Args:
        id_right: By model, shape (N,): where it is right on id, on the classes of the shift.
        ood_right: By model, shape (N',): where it is right on the shift.
        references: Accuracies (id, ood) of the models to fit the line on.
        start: Name of the model that `relative` (ood minus its ood) and `gap_closed` refer to.
        paired: Whether id and shift are the same images; see `effective_robustness`.
        interval: Of proportions; see `proportion_interval`.

    Returns:
        The line (`slope`, `slope_ci`, `intercept`, `models`) or the reason why none is drawn, and
        the models. A line needs ten reference models, and must rise.

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
    line, reason = _line(references, len(on_id), len(on_ood))
    effective: list[float | None] = [None] * len(id_right)
    intervals: list[list[float] | None] = [None] * len(id_right)
    if line is not None:
        values, ends = effective_robustness(line, on_id, on_ood, paired, interval)
        effective, intervals = list(map(float, values)), list(ends)
    points = {
        name: (float(id_right[name].mean()), float(ood_right[name].mean())) for name in id_right
    }
    models = {
        name: ModelRobustness(
            id=point[0],
            ood=point[1],
            effective=value,
            effective_ci=own,
            relative=point[1] - points[start][1],
            gap_closed=gap_closed(point, points[start]),
        )
        for (name, point), value, own in zip(points.items(), effective, intervals, strict=True)
    }
    return ShiftRobustness(fit=vars(line) if line else None, reason=reason, models=models)


def _line(
    references: Sequence[Point], id_images: int, ood_images: int
) -> tuple[LogitLine | None, str | None]:
    """The line of usual accuracy, or the reason why none is drawn."""
    if not references:
        return None, NO_REFERENCES
    line = fit_logit_line(references, id_images, ood_images)
    if line is None:
        return None, (
            f"all {plural(len(references), 'reference model')} have the same accuracy on the test "
            "set, and no line goes through one place"
        )
    return (None, line.objection) if line.objection else (line, None)


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
    interval: str = WILSON,
) -> Flips:
    """How many predictions differ between two models on the same images, and for better or worse.

    Args:
        before: Logits (N, K) of the first model.
        after: Logits (N, K) of the second model, same images in the same order.
        targets: Shape (N,), class indices.
        interval: Of proportions; see `proportion_interval`.

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
    return Flips(
        n=len(indices),
        rate=float(changed.mean()),
        gained=float((changed & (new == indices)).mean()),
        lost=float((changed & (old == indices)).mean()),
        ci=proportion_interval(int(changed.sum()), len(indices), interval),
    )
