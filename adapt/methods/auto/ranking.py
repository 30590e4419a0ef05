"""Which feature-space method suits a support set: cross-validation inside it, nothing else."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from scipy.optimize import curve_fit
from scipy.stats import norm
from torch import Tensor, nn

from adapt.methods.auto.mixture import Mixture
from adapt.methods.auto.out_of_fold import (
    FOLDS,
    Answer,
    FitsHead,
    answers_of,
    folds_of,
    head_of,
    joined,
)
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.side_by_side import side_by_side
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead

APART = 2.0
"""Standard errors that tell two methods apart. Where few images judge, this rarely happens; methods
ordered by accuracy or log loss instead lost 1 to 3 points on test images."""
BY_CHANCE = 0.025
"""How often the most accurate of all methods may be told from one that is as good (`apart_of`)."""
FEWEST_DIFFERING = 4
"""With fewer images a standard error says nothing; it is 0 when they all agree."""
ZERO_SHOT = "zero_shot"
ALIKE = 100
"""Held-out images on which two methods must be right alike to be taken for one: then they differ
on fewer than 3 % of others, by the rule of three."""
FEWEST_POINTS = 3
"""Of a learning curve: two numbers are fitted to it."""


Answers = Mapping[str, Answer]


@dataclass(frozen=True)
class Ranked:
    """How one method did in cross-validation; all NaN where none was possible."""

    name: str
    accuracy: float
    """Fraction of right answers on held-out support images, 0 to 1."""
    error: float
    """Standard error of it over images."""
    loss: float
    """Mean negative log probability of the true class there."""
    images: int = 0
    """Held-out images that it was judged on: all, or those of the first fold if it was so far
    behind there that it was not fitted again."""
    behind: float = math.nan
    """How much lower its accuracy is than that of the most accurate one on the same images."""
    behind_error: float = math.nan
    """Standard error of this difference, image by image."""
    differing: int = 0
    """Images that one of the two answers right and the other does not."""

    apart: float = APART
    """Standard errors of the difference from which on they are told apart."""

    @property
    def level(self) -> bool:
        """Whether the images do not tell it from the most accurate one."""
        few = self.differing < FEWEST_DIFFERING
        return few or not self.behind > self.apart * self.behind_error


@dataclass(frozen=True)
class Ranking:
    """Methods from the best to the worst, and what more images are expected to give."""

    methods: tuple[Ranked, ...]
    images: int
    """Held-out images that the scores are means over; 0 where no class has two."""
    curve: dict[int, float] = field(default_factory=dict)
    """Cross-validated accuracy of the best method by training images per class."""
    recall: dict[int, float] = field(default_factory=dict)
    """Cross-validated recall of the best method by class number."""
    answers: Answer | None = field(default=None, repr=False, compare=False)
    """Logits (M, K) of held-out images under the best method, and their classes (M,); None where
    no class has two images."""
    mixture: dict[str, float] = field(default_factory=dict)
    """What the logits of each member are multiplied by, where a mixture is the best."""

    @property
    def best(self) -> str:
        """Name of the best method."""
        return self.methods[0].name

    def to_dict(self, class_names: Sequence[str]) -> dict[str, Any]:
        """What `ranking.json` holds."""
        expected = expected_accuracy(self.curve)
        return {
            "format": 1,
            "best": self.best,
            "images": self.images,
            "methods": [asdict(ranked) for ranked in self.methods],
            "curve": {str(shots): value for shots, value in self.curve.items()},
            "expected": {str(shots): value for shots, value in expected.items()},
            "mixture": self.mixture,
            "recall": {class_names[number]: value for number, value in self.recall.items()},
        }


def rank_methods(support: Support, methods: Mapping[str, HeadMethod]) -> Ranking:
    """Score each method by cross-validation inside the support set.

    Every image is judged by a head that was fitted without it; the only image of a class stays in
    every fit and is judged by none. It is a race: methods that the first fold tells from the most
    accurate one are not fitted again. Those that are level in the end keep the order in which they
    were given; the others follow by accuracy. Of those that are right on the very same hundred
    images and more the first goes on. Zero-shot takes part as the last one. A mixture is judged by
    the answers of its members, whose scales rest on the same images: that flatters it by a number
    or two, next to nothing beside the images that judge.

    Args:
        support: Features and classes; its `val` plays no part.
        methods: By name, the one expected to be best first, without zero-shot.
    """
    ranking, chosen = _race(support, methods)
    points = list(side_by_side(_points(support, chosen, ranking)))
    return replace(ranking, curve=_curve(ranking, points))


def rank_and_fit(
    support: Support, methods: Mapping[str, HeadMethod]
) -> tuple[Ranking, nn.Linear | CacheHead]:
    """The ranking, and the head of the best method fitted on all images; see `rank_methods`.

    The head is fitted beside the points of the learning curve.
    """
    ranking, chosen = _race(support, methods)
    pieces: list[Callable[[], Any]] = [partial(head_of, chosen, support)]
    head, *points = side_by_side([*pieces, *_points(support, chosen, ranking)])
    return replace(ranking, curve=_curve(ranking, points)), head


def _race(support: Support, methods: Mapping[str, HeadMethod]) -> tuple[Ranking, FitsHead | None]:
    """The ranking without its learning curve, and the best method; None is zero-shot."""
    folds = folds_of(support)
    if not folds:
        unknown = [Ranked(name, math.nan, math.nan, math.nan) for name in [*methods, ZERO_SHOT]]
        return Ranking(tuple(unknown), 0), methods.get(unknown[0].name)
    mixtures = {name: m for name, m in methods.items() if isinstance(m, Mixture)}
    parts = {name: m.methods(support) for name, m in mixtures.items()}
    members = {name: own for part in parts.values() for name, own in part.items()}
    entrants: dict[str, HeadMethod | None] = {**members, **methods, ZERO_SHOT: None}
    single = {name: method for name, method in entrants.items() if name not in mixtures}
    first = answers_of(support, single, [0])
    ordered = [name for name in [*methods, ZERO_SHOT] if name in first]
    stay = {*members, *_in_the_race({name: first[name] for name in ordered})}
    left = {name: method for name, method in single.items() if name in stay}
    later = answers_of(support, left, folds[1:])
    given = first | {name: joined([first[name], more]) for name, more in later.items()}
    mixed = {name: m.mixed(parts[name], given) for name, m in mixtures.items()}
    given |= {name: m.answer(given) for name, m in mixed.items()}
    answers = {name: given[name] for name in [*methods, ZERO_SHOT]}
    ranked = _ordered(answers)
    best = ranked[0].name
    logits, targets = answers[best]
    right = logits.argmax(1) == targets
    recall = {int(k): float(right[targets == k].double().mean()) for k in targets.unique()}
    chosen: FitsHead | None = mixed[best] if best in mixed else methods.get(best)
    scales = mixed[best].scales if best in mixed else {}
    # Where the curve ends was measured above, on the images of the first fold.
    number = rounds(support, FOLDS)
    most = int(torch.bincount(support.targets[number != 0]).max())
    end = {most: float(right[: int((number == 0).sum())].double().mean())}
    return Ranking(tuple(ranked), len(targets), end, recall, (logits, targets), scales), chosen


def _in_the_race(first: Answers) -> list[str]:
    """Methods that are level after the first fold; of those that are alike there the first.

    A method that is right on the very images on which an earlier one of the order is right would
    have to be clearly better on the others to be taken.
    """
    seen, stay = set[bytes](), []
    for name in (ranked.name for ranked in _scored(first) if ranked.level):
        logits, targets = first[name]
        right = (logits.argmax(1) == targets).numpy().tobytes()
        stay += [] if len(targets) >= ALIKE and right in seen else [name]
        seen.add(right)
    return stay


def apart_of(rivals: int) -> float:
    """Standard errors that tell a method from the most accurate of so many (Bonferroni).

    The best of many is ahead of each by chance more often than the best of two.

    >>> round(apart_of(1), 2), round(apart_of(14), 2)
    (1.96, 2.91)
    """
    return float(norm.isf(BY_CHANCE / max(1, rivals)))


def _scored(answers: Answers, apart: float = APART) -> list[Ranked]:
    """Scores in the order given; the most accurate of those judged on most images leads."""
    right = {name: (x.argmax(1) == y).double() for name, (x, y) in answers.items()}
    leader = max(right.values(), key=lambda values: (len(values), float(values.mean())))
    scored = []
    for name, values in right.items():
        lost, count = leader[: len(values)] - values, math.sqrt(len(values))
        spread = [float(part.std(correction=0)) / count for part in (values, lost)]
        loss = float(F.cross_entropy(*answers[name]))
        mean, behind = float(values.mean()), float(lost.mean())
        differing = int((lost != 0).sum())
        scored.append(
            Ranked(name, mean, spread[0], loss, len(values), behind, spread[1], differing, apart)
        )
    return scored


def _ordered(answers: Answers) -> list[Ranked]:
    scored = _scored(answers, apart_of(len(answers) - 1))
    most = max(ranked.images for ranked in scored)  # who left early cannot win by luck
    level = [ranked for ranked in scored if ranked.level and ranked.images == most]
    rest = [ranked for ranked in scored if ranked not in level]
    return level + sorted(rest, key=lambda ranked: (-ranked.accuracy, ranked.loss, ranked.name))


def _counts(ranking: Ranking) -> list[int]:
    """Images per class at the points of a learning curve before its end: 1, 2, 4, ..."""
    most = max(ranking.curve, default=0)
    return [2**power for power in range(most.bit_length()) if 2**power < most]


def _points(
    support: Support, method: FitsHead | None, ranking: Ranking
) -> list[Callable[[], float]]:
    """What gives the accuracy at each of `_counts`, all on the images of the first fold."""
    number = rounds(support, FOLDS)
    held, rest = number == 0, (number != 0).nonzero()[:, 0]

    def right(count: int) -> float:
        few = rest[_first(support.targets[rest], count)]
        head = head_of(method, support.part(few))
        with torch.no_grad():
            answers = head(support.features[held]).argmax(1) == support.targets[held]
        return float(answers.double().mean())

    return [partial(right, count) for count in _counts(ranking)]


def _curve(ranking: Ranking, points: Sequence[float]) -> dict[int, float]:
    """Accuracy, 0 to 1, by images per class; empty when no class has two."""
    return dict(zip(_counts(ranking), points, strict=True)) | ranking.curve


def _first(targets: Tensor, count: int) -> Tensor:
    """Which images are among the first so many of their class."""
    place = torch.empty_like(targets)
    for label in targets.unique():
        own = (targets == label).nonzero()[:, 0]
        place[own] = torch.arange(len(own))
    return place < count


def expected_accuracy(curve: Mapping[int, float]) -> dict[int, float]:
    """What two and four times the images would give, were the curve to go on as it does.

    A power law `1 - a * n ** -b` with `a >= 0` and `b >= 0` is fitted to the measured points
    (Hestness et al. 2017, arXiv:1712.00409).

    Args:
        curve: Accuracy by images per class.

    Returns:
        Accuracy by images per class; empty with fewer than three points.
    """
    if len(curve) < FEWEST_POINTS:
        return {}

    def law(shots: Tensor, scale: float, power: float) -> Tensor:
        return scale * shots**-power

    shots = list(map(float, curve))
    errors = [1 - value for value in curve.values()]
    bounds = ([0.0, 0.0], [2.0, 5.0])
    (scale, power), _ = curve_fit(law, shots, errors, p0=[0.5, 0.5], bounds=bounds)
    last = max(curve)
    return {last * more: 1 - float(scale * (last * more) ** -power) for more in (2, 4)}
