"""The few-shot protocol: fits on draws of a few training images per class, read back."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import t as student

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import SELECTION
from adapt.report.record.values import mapping, number

Band = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class ShotDraws:
    """All fits with one number of images per class.

    Attributes:
        shots: Images per class.
        accuracies: By eval, the accuracy of each fit.
        images: The images of each draw.
    """

    shots: int
    accuracies: Mapping[str, Sequence[float]]
    images: Sequence[frozenset[str]]

    @property
    def same(self) -> bool:
        """Whether every draw is the same images, so that no interval over draws exists."""
        return len(self.images) > 1 and len(set(self.images)) == 1 and bool(self.images[0])

    @property
    def scattered(self) -> bool:
        """Whether draws differ, so that an interval over them exists."""
        return len(self.images) > 1 and not self.same


@dataclass(frozen=True)
class FewShotRecord:
    """What is shown of `few_shot.json`.

    Attributes:
        shown: The draws for each number of images per class.
        dropped: Numbers of images that would draw the same images again.
        counts: Training images of each class; empty where they are not known.
        fewest: Training images of the smallest class.
        zero_shot: Accuracy of zero-shot on every eval that was scored, in recipe order.
    """

    shown: Sequence[ShotDraws]
    dropped: Sequence[int]
    counts: Sequence[int]
    fewest: int | None
    zero_shot: Mapping[str, float | None]

    def lacking(self, shots: int) -> bool:
        """Whether some class has fewer images."""
        return self.fewest is not None and shots > self.fewest

    def who_lacks(self, shots: int) -> str:
        """How many classes have fewer images."""
        short = sum(count < shots for count in self.counts)
        if short == len(self.counts):
            return f"all {short} classes" if short else "some classes"
        return f"{short} of {len(self.counts)} classes"


def read_few_shot(run: RunRecord) -> FewShotRecord:
    """Sort the fits of `few_shot.json` by number of images per class."""
    stored = mapping(run.few_shot)
    cells: dict[int, list[Mapping[str, Any]]] = {}
    for cell in map(mapping, stored.get("cells") or []):
        if (shots := number(cell.get("shots"))) is not None:
            cells.setdefault(int(shots), []).append(cell)
    shown: list[ShotDraws] = []
    dropped: list[int] = []
    for shots, fits in sorted(cells.items()):
        draws = _draws(shots, fits)
        if shown and draws.same and shown[-1].same and draws.images[0] == shown[-1].images[0]:
            dropped.append(shots)
        else:
            shown.append(draws)
    counts, fewest = run.scores.train_counts, number(stored.get("fewest_images"))
    known = counts if fewest is None or (counts and min(counts) == fewest) else []
    least = fewest if fewest is not None else min(known, default=None)
    scored = mapping(stored.get("zero_shot"))
    names = [name for name in [*run.scores.evals, SELECTION] if name in scored]
    zero_shot = {name: number(scored[name]) for name in names}
    return FewShotRecord(shown, dropped, known, None if least is None else int(least), zero_shot)


def _draws(shots: int, fits: Sequence[Mapping[str, Any]]) -> ShotDraws:
    accuracies: dict[str, list[float]] = {}
    for fit in fits:
        for name, stored in mapping(fit.get("accuracy")).items():
            if (accuracy := number(stored)) is not None:
                accuracies.setdefault(name, []).append(accuracy)
    images = [frozenset(map(str, fit.get("images") or [])) for fit in fits]
    return ShotDraws(shots, accuracies, images)


def band(values: Sequence[float]) -> Band:
    """Mean and its 95 % interval by Student's t, cut to what accuracies can be, 0 to 1.

    The interval of one value is that value.

    >>> [round(end, 4) for end in band([0.5, 0.7])], [round(end, 3) for end in band([0.6, 0.61])]
    ([0.6, 0.0, 1.0], [0.605, 0.541, 0.669])
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean, mean
    error = statistics.stdev(values) / math.sqrt(len(values))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return mean, max(0.0, mean - reach), min(1.0, mean + reach)
