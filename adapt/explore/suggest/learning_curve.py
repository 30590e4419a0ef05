"""How accuracy grows with the number of labels: all curves that explain parts of the labels.

A head is fitted again and again on parts of the labelled images and asked about the rest. Curves
whose log-odds of being right are a + b log t + c (log t)^2, with t times as many labels as now, are
weighed by how well they explain what was right. Every figure is a quantile over these curves: a
gain is the difference of two points of the same curve, never that of two estimates.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from scipy.special import expit

from adapt.common.arrays import BoolArray, FloatArray, IntArray, SingleArray
from adapt.common.progress import track
from adapt.errors import DataError
from adapt.explore.suggest.quick_head import quick_head
from adapt.training.features.encode import head_logits

Estimate: TypeAlias = dict[str, Any]
"""`value`, the median, and `ci`, the interval `[low, high]`."""
FRACTIONS = (0.35, 0.5, 0.65, 0.8, 0.9)
"""Sizes of the sub-samples; of smaller ones the curve may have another shape."""
REPEATS = 12
LEVELS = np.linspace(-5, 6, 111)
"""Log-odds of now, all equally probable at first."""
SLOPES = np.linspace(0, 2, 21)
"""Of the log-odds by the logarithm of the number of labels, all equally probable at first."""
BENDS = np.linspace(-0.6, 0.6, 13)
BEND = 0.25
"""Standard deviation of the bend at first."""
DRAWS = 4000
LEVEL = 0.95
FEWEST = 10
"""Labelled images without which there is no curve."""


@dataclass(frozen=True)
class HeldOutAnswers:
    """How often each image was right when it was not among those that the head had seen."""

    fractions: FloatArray
    """(J,) sizes of the sub-samples, as parts of all labelled images."""
    right: BoolArray
    """(J, R, N) for R repeats and N images."""
    asked: BoolArray
    """(J, R, N) whether it was held out."""

    def rates(self, rows: np.ndarray | slice = slice(None)) -> tuple[FloatArray, IntArray]:
        """For each size the mean over images of the part that was right, and the images, (J,).

        Args:
            rows: Of some images, such as those of a class.
        """
        right, asked = self.right[..., rows].sum(1), self.asked[..., rows].sum(1)
        parts = np.divide(right, asked, out=np.zeros(right.shape), where=asked > 0)
        counts = (asked > 0).sum(1)
        return parts.sum(1) / np.maximum(counts, 1), counts.astype(np.int64)

    def variance(self, rows: np.ndarray | slice = slice(None)) -> float:
        """Variance of accuracy between heads of as many other labels; below zero by chance.

        Accuracy on random halves varies also because few images are asked: what that explains is
        taken away. Halves share half of their labels, which hides half of the variance of the
        heads; and with all labels it is half as large.
        """
        place = self._halves
        asked, right = self.asked[place][:, rows], self.right[place][:, rows]
        turns = asked.sum(1) > 0
        times, hits = asked.sum(0), right.sum(0)
        often = times > 1
        if turns.sum() < 2 or not often.any():
            return 0.0
        rates = right.sum(1)[turns] / asked.sum(1)[turns]
        parts = hits[often] / times[often]
        # An image that only some heads know, and images of which some are harder than others.
        within = float((parts * (1 - parts) * times[often] / (times[often] - 1)).mean())
        between = max(float(rates.mean() * (1 - rates.mean())) - within, 0.0)
        chance = (within + between / 2) * float((1 / asked.sum(1)[turns]).mean())
        return float(rates.var(ddof=1) - chance)

    def variance_of_classes(self, targets: IntArray) -> float:
        """The mean of `variance` over classes, those asked about more often counting more.

        Args:
            targets: (N,) class numbers.
        """
        asked = np.bincount(targets, self.asked[self._halves].sum(0))
        each = [self.variance(targets == k) for k in range(len(asked))]
        return float(asked @ each / max(asked.sum(), 1))

    @property
    def _halves(self) -> int:
        return int(np.abs(self.fractions - 0.5).argmin())


@dataclass(frozen=True)
class Curves:
    """Curves drawn in proportion to how well they explain what was right."""

    level: FloatArray
    """(S,) log-odds of being right with the labels of now."""
    slope: FloatArray
    """(S,) by the logarithm of the number of labels."""
    bend: FloatArray
    """(S,) of the slope."""
    chance: FloatArray
    """(2, S) by how many standard deviations heads of other labels are better or worse."""
    deviation: float = 0.0
    """Standard deviation of the accuracy of heads of as many other labels."""

    def mean(self, times: float) -> FloatArray:
        """Accuracy (S,) with so many times the labels of now, on average over labels.

        >>> one = np.ones(1)
        >>> Curves(0 * one, one, 0 * one, np.zeros((2, 1))).mean(2).round(3).tolist()
        [0.667]
        """
        return _accuracy(times, self.level, self.slope, self.bend)

    def accuracy(self, times: float = 1.0) -> Estimate:
        """Accuracy with so many times the labels: `value` (the median) and `ci`."""
        noise = self.deviation * times**-0.5 * self.chance[0]
        return _spread(np.clip(self.mean(times) + noise, 0, 1))

    def gain(self, times: float) -> Estimate:
        """How much accuracy changes with so many times the labels, curve by curve."""
        noise = self.deviation * (1 - 1 / times) ** 0.5 * self.chance[1]
        return _spread(np.clip(self.mean(times) - self.mean(1) + noise, -1, 1))


def held_out_answers(
    features: SingleArray, targets: IntArray, zero_shot: SingleArray, seed: int = 0
) -> HeldOutAnswers:
    """Fit a head on random parts of labelled images, and ask it about the others.

    Args:
        features: (N, D), unit length.
        targets: (N,) class numbers.
        zero_shot: (K, D); see `quick_head`.
        seed: Of the parts.

    Raises:
        DataError: When there are fewer than `FEWEST` images.
    """
    count = len(targets)
    if count < FEWEST:
        raise DataError(
            f"learning curve - too few labelled images - {count} - label {FEWEST} or more"
        )
    random = np.random.default_rng(seed)
    sizes = [max(1, round(fraction * count)) for fraction in FRACTIONS]
    right, asked = (np.zeros((len(sizes), REPEATS, count), bool) for _ in range(2))
    tries = [(place, turn) for place in range(len(sizes)) for turn in range(REPEATS)]
    for place, turn in track(tries, "fitting on parts of the labels", len(tries)):
        order = random.permutation(count)
        seen, held = np.split(order, [sizes[place]])
        head = quick_head(features[seen], targets[seen], zero_shot)
        said = head_logits(head, torch.from_numpy(features[held])).argmax(1)
        right[place, turn, held] = said == targets[held]
        asked[place, turn, held] = True
    return HeldOutAnswers(np.array(sizes) / count, right, asked)


def fitted(
    answers: HeldOutAnswers,
    rows: np.ndarray | slice = slice(None),
    prior: Curves | None = None,
    seed: int = 0,
    least_variance: float = 0.0,
) -> Curves:
    """Draw curves in proportion to how well they explain what was right.

    The sizes ask about the same images, so that together they count as one answer per image.

    Args:
        answers: Of all labelled images.
        rows: Of some images, such as those of a class.
        prior: Curves of all classes: half of the belief about the shape of the curve of one class
            is theirs.
        seed: Of the draws.
        least_variance: Of accuracy between heads, where that of the rows says less.
    """
    level, slope, bend = np.meshgrid(LEVELS, SLOPES, BENDS, indexing="ij")
    logs = -((bend / BEND) ** 2) / 2
    rates, counts = answers.rates(rows)
    for fraction, rate, count in zip(answers.fractions, rates, counts, strict=True):
        right = np.clip(_accuracy(fraction, level, slope, bend), 1e-6, 1 - 1e-6)
        explained = rate * np.log(right) + (1 - rate) * np.log(1 - right)
        logs += count / len(rates) * explained
    weights = np.exp(logs - logs.max())
    if prior is not None:
        weights *= _shape_belief(prior)
    random = np.random.default_rng(seed)
    sums = weights.ravel().cumsum()
    drawn = np.searchsorted(sums, random.random(DRAWS) * sums[-1], side="right")
    drawn = np.minimum(drawn, len(sums) - 1)

    def spread(values: FloatArray, axis: FloatArray) -> FloatArray:
        between = (random.random(DRAWS) - 0.5) * (axis[1] - axis[0])
        return np.asarray(values.ravel()[drawn] + between)

    return Curves(
        spread(level, LEVELS),
        np.maximum(spread(slope, SLOPES), 0),
        spread(bend, BENDS),
        random.normal(size=(2, DRAWS)),
        max(answers.variance(rows), least_variance, 0.0) ** 0.5,
    )


def _accuracy(times: float, level: FloatArray, slope: FloatArray, bend: FloatArray) -> FloatArray:
    grown = np.log(times)
    return np.asarray(expit(level + slope * grown + bend * grown**2))


def _shape_belief(curves: Curves) -> FloatArray:
    """(1, B, C) half even, half as the curves of all classes have it."""
    edges = [
        np.append(axis - (axis[1] - axis[0]) / 2, axis[-1] + (axis[1] - axis[0]) / 2)
        for axis in (SLOPES, BENDS)
    ]
    table, _, _ = np.histogram2d(curves.slope, curves.bend, edges)
    return np.asarray(0.5 * table / table.sum() + 0.5 / table.size)[None]


def _spread(values: FloatArray) -> Estimate:
    low, middle, high = np.quantile(values, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2]).tolist()
    return {"value": middle, "ci": [low, high]}


def curves_of_classes(answers: HeldOutAnswers, targets: IntArray, classes: int) -> list[Curves]:
    """Curves of the part of each class that is right, each with the shape of all as half a belief.

    Args:
        answers: Of all labelled images.
        targets: (N,) their class numbers.
        classes: K.
    """
    whole = fitted(answers)
    # Few images of a class hide how much its recall differs between heads: at least as in the mean.
    variance = answers.variance_of_classes(targets)
    return [fitted(answers, targets == k, whole, k + 1, variance) for k in range(classes)]
