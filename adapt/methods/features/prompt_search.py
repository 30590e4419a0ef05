"""Which templates explain labelled images best: forward selection, judged on images held out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.evaluation.metrics.calibration import fit_temperature
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.support import Support

FOLDS = 5
MOST = 16
"""Columns that are chosen at most."""
ROOM = 2**27
"""Numbers that are held at once; of more images as many of each class are used as fit."""
CLEARLY = 1.96
"""Standard errors that the gain on images held out must exceed."""


@dataclass(frozen=True)
class Searched:
    """What a search chose, and how much better it is; gains are in nats per image."""

    chosen: list[int]
    """Columns in the order in which they were added, on all images."""
    gain: float
    """Of what was chosen without an image over column 0, in its log-likelihood."""
    error: float
    """Standard error of the gain."""
    together: float
    """The same gain of all columns with equal weights, for which nothing is chosen."""
    accuracy: tuple[float, float]
    """Of column 0, and of what was chosen, on images held out."""
    images: int
    """Images held out in one of the folds; 0 where every class has one image."""

    @property
    def better(self) -> bool:
        """Whether the gain is more than noise: the lower end of its 95 % interval is above 0."""
        return self.images > 0 and self.gain > CLEARLY * self.error


class PromptSearch:
    """Log-likelihoods of images under the mean of some columns of prompts.

    Args:
        support: Labelled images, and what scales logits; see `few_enough` for many of them.
        columns: What each of T columns says of the classes, (T, K, D); the first is what is used
            if nothing is better.
    """

    def __init__(self, support: Support, columns: Tensor) -> None:
        self.targets, self.columns, self.scale = support.targets, columns, support.scale
        self.answers = torch.einsum("nd,tkd->tnk", support.features, columns)

    def likelihoods(self, chosen: Sequence[int], rows: Tensor, sharpness: float) -> Tensor:
        """Log-likelihood (n,) of some images under the mean of the chosen columns.

        Args:
            chosen: Numbers of columns.
            rows: Numbers of images (n,).
            sharpness: What cosines are multiplied by.
        """
        return self._likelihood(self._logits(chosen, rows) * sharpness, rows)

    def right(self, chosen: Sequence[int], rows: Tensor) -> Tensor:
        """Which of some images (n,) the mean of the chosen columns classifies correctly."""
        return self._logits(chosen, rows).argmax(1) == self.targets[rows]

    def sharpness(self, rows: Tensor) -> float:
        """The scale of logits over the temperature at which column 0 explains some images best."""
        logits = self._logits([0], rows) * self.scale
        return self.scale / fit_temperature(logits.numpy(), self.targets[rows].numpy())

    def forward(self, rows: Tensor) -> list[int]:
        """Add columns one by one, each the one that helps most, while that is more than noise.

        A column is added if the mean gain in log-likelihood exceeds its standard error.

        Args:
            rows: Numbers of the images (n,) that are looked at.
        """
        sharpness, chosen = self.sharpness(rows), list[int]()
        total, direction = torch.zeros(()), torch.zeros(())
        known: Tensor | None = None
        answers = self.answers[:, rows]
        while len(chosen) < min(MOST, len(self.columns)):
            best, after = -1, None
            for number in range(len(self.columns)):
                if number in chosen:
                    continue
                length = (direction + self.columns[number]).norm(dim=1).clamp(min=1e-12)
                logits = (total + answers[number]) / length * sharpness
                values = self._likelihood(logits, rows)
                if after is None or values.mean() > after.mean():
                    best, after = number, values
            assert after is not None
            if known is not None and not _more_than_error(after - known):
                break
            chosen.append(best)
            known = after
            total, direction = total + answers[best], direction + self.columns[best]
        return chosen

    def _logits(self, chosen: Sequence[int], rows: Tensor) -> Tensor:
        numbers = list(chosen)
        length = self.columns[numbers].sum(0).norm(dim=1).clamp(min=1e-12)
        logits: Tensor = self.answers[numbers][:, rows].sum(0) / length
        return logits

    def _likelihood(self, logits: Tensor, rows: Tensor) -> Tensor:
        own = logits.gather(1, self.targets[rows][:, None])[:, 0]
        return (own - logits.logsumexp(1)).double()


def _more_than_error(difference: Tensor) -> bool:
    error = difference.std() / math.sqrt(len(difference)) if len(difference) > 1 else math.inf
    return bool(difference.mean() > error)


def few_enough(support: Support, columns: int) -> Support:
    """The same images, or as many of each class as there is room for."""
    most = ROOM // (columns * support.classes)
    if len(support.targets) <= most:
        return support
    place = rounds(support, len(support.targets))
    levels = range(1, int(place.max()) + 2)
    fitting = [level for level in levels if int((place < level).sum()) <= most]
    return support.part(place < (fitting[-1] if fitting else 1))


def search_prompts(support: Support, columns: Tensor, folds: int = FOLDS) -> Searched:
    """Choose columns of prompts on labelled images, and judge the choice on images held out.

    In each fold columns are chosen without its images, and compared with column 0 on them.

    Args:
        support: Labelled images; their seed fixes the folds.
        columns: See `PromptSearch`.
        folds: Number of folds; fewer where the largest class has fewer images.
    """
    support = few_enough(support, len(columns))
    search, number = PromptSearch(support, columns), rounds(support, folds)
    everything = list(range(len(columns)))
    gains, together, right = list[Tensor](), list[Tensor](), list[Tensor]()
    for turn in range(int(number.max()) + 1):
        fit, held = (number != turn).nonzero()[:, 0], (number == turn).nonzero()[:, 0]
        chosen, sharpness = search.forward(fit), search.sharpness(fit)
        before = search.likelihoods([0], held, sharpness)
        gains.append(search.likelihoods(chosen, held, sharpness) - before)
        together.append(search.likelihoods(everything, held, sharpness) - before)
        right.append(torch.stack([search.right(own, held) for own in ([0], chosen)], 1))
    if not gains:
        return Searched([0], 0.0, 0.0, 0.0, (math.nan, math.nan), 0)
    gain = torch.cat(gains)
    first, second = torch.cat(right).double().mean(0).tolist()
    return Searched(
        search.forward(torch.arange(len(support.targets))),
        float(gain.mean()),
        float(gain.std() / math.sqrt(len(gain))) if len(gain) > 1 else math.inf,
        float(torch.cat(together).mean()),
        (first, second),
        len(gain),
    )
