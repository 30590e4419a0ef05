"""Linear probe on frozen features, its regularisation searched as in CLIP (arXiv:2103.00020)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor, nn

from adapt.common.ranges import Ranges, at_least, one_of
from adapt.data.loading.balance import balance_weights, class_weights
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head
from adapt.models.penultimate import FEATURES, PENULTIMATE, PROJECTED
from adapt.training.logistic import Logistic, climb
from adapt.training.settings import check_class_weights

INITIALISATIONS = ("zero", "zero_shot")
GRID = np.logspace(-6, 6, 97)
FIRST_POINTS = range(0, 97, 16)
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3)
"""Values of C that are tried in a cross-validation."""
WITHOUT_FOLDS = 1e3
"""C where each class has one image; 300 to 1e4 are about equally good on test images."""
FOLDS = 3
TOLERANCES = {"accuracy": 1e-6, "likelihood": 1e-4, "head": 1e-8}
"""How near to the minimum a fit goes, by what judges it; `head` is for the fit that is kept."""
Part = tuple[Tensor, Tensor]
"""Features (N, D) and class numbers (N,)."""


@register("linear_probe")
@dataclass
class LinearProbe(HeadMethod):
    """Logistic regression on unit image features; the encoders stay as they are.

    With `zero` the penalty pulls the head to zero, which is scikit-learn's LogisticRegression. With
    `zero_shot` it pulls to the start's head: strong regularisation then gives its matrix back; the
    bias stays free.
    """

    ranges = Ranges(
        initialisation=one_of(INITIALISATIONS),
        features=one_of(FEATURES),
        C=at_least(0, "search"),
        iterations=at_least(1),
    )

    initialisation: str = "zero_shot"
    """What the head starts from and is pulled to: `zero` or `zero_shot`."""
    C: float = 0.0
    """scikit-learn's C; 0 searches 97 values from 1e-6 to 1e6 on val, or without val 12 values from
    0.01 to 3000 by cross-validation."""
    iterations: int = 1000
    """Most L-BFGS iterations of one fit."""
    views: int = 1
    """Augmented views of each image, each a sample of its own; 1 is the evaluation view alone."""
    features: str = PROJECTED
    """`projected` into the space of the texts, or `penultimate`: before that projection, as CLIP's
    own probes. Zero-shot knows no head there, so it needs `initialisation: zero` and no mixing."""
    class_weights: str | dict[str, float] = "none"
    """Weight of an image in the loss and in the search: `none`, `auto` (scikit-learn's `balanced`)
    or weights by class name; classes not named weigh 1. `data.balance` is a weight here too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_class_weights(self.class_weights)
        if self.features == PENULTIMATE and self.initialisation != "zero":
            raise ValueError(
                f"initialisation - there is no zero-shot head on penultimate features - "
                f"{self.initialisation!r} - set it to zero"
            )

    def head(self, support: Support) -> nn.Linear:
        """Weight and bias; C is chosen on the support's `val`, or without it by cross-validation.

        Raises:
            RecipeError: When `class_weights` names a class that is not there.
        """
        weight = self._weight(support)
        strength = self.C or self.search(support, weight)
        fitted = self._problem(support, weight).fit(strength, self.iterations, TOLERANCES["head"])
        return linear_head(*map(torch.from_numpy, fitted))

    def _weight(self, support: Support) -> Tensor | None:
        labels = support.targets.numpy()
        names = support.class_names or tuple(map(str, range(support.classes)))
        parts = [class_weights(self.class_weights, labels, names)]
        if support.balance != "none":
            parts.append(balance_weights(support.balance, labels, support.classes))
        given = [torch.from_numpy(part) for part in parts if part is not None]
        return torch.stack(given).prod(0) if given else None

    def search(self, support: Support, weight: Tensor | None = None) -> float:
        """C by the images of `val`, or without them by those that a fold holds out.

        On val it is CLIP's search, by accuracy. Folds of few images are too coarse for that: there
        the likelihood of the held-out labels decides. Both are weighted, given weights (K,).
        """
        folds = [
            (self._problem(rest, weight, np.float32), x.numpy(), y.numpy())
            for rest, (x, y) in _folds(support)
        ]
        if not folds:
            return WITHOUT_FOLDS

        def judged(strength: float, by: str) -> float:
            values, weights = [], []
            for problem, x, y in folds:
                head, bias = problem.fit(strength, self.iterations, TOLERANCES[by])
                logits = x @ head.T + bias
                values.append(
                    logits.argmax(1) == y
                    if by == "accuracy"
                    else log_softmax(logits, axis=1)[np.arange(len(y)), y]
                )
                weights.append(np.ones(len(y)) if weight is None else weight.numpy()[y])
            return float(np.average(np.concatenate(values), weights=np.concatenate(weights)))

        if support.val is not None:
            return search_grid(lambda strength: judged(strength, "accuracy"))
        return climb(lambda strength: judged(strength, "likelihood"), STRENGTHS)

    def _problem(
        self, support: Support, weight: Tensor | None, precision: type[np.floating] = np.float64
    ) -> Logistic:
        features, targets = (part.numpy() for part in support.all_views)
        anchor = support.zero_shot.numpy() if self.initialisation == "zero_shot" else None
        factor = None if weight is None else weight.numpy()
        return Logistic(features, targets, support.classes, anchor, factor, precision)


def _folds(support: Support) -> list[tuple[Support, Part]]:
    """What a probe is fitted on and what it is judged on; views of an image stay together.

    Without val three rounds of a cross-validation; none where no class has two images.
    """
    if support.val is not None:
        return [(support, support.val)]
    number = rounds(support, FOLDS)
    held = [number == turn for turn in range(int(number.max()) + 1)]
    return [(support.part(~out), (support.features[out], support.targets[out])) for out in held]


def search_grid(score: Callable[[float], float]) -> float:
    """CLIP's search over 97 log-spaced values: seven coarse points, then halving steps.

    Ties go to the stronger regularisation (the smaller value).

    Args:
        score: Higher is better; called once per value tried.

    >>> round(search_grid(lambda c: -abs(np.log10(c) - 2)), 3)
    100.0
    """
    known: dict[int, float] = {}

    def best(points: list[int]) -> int:
        for point in points:
            if point not in known:
                known[point] = score(float(GRID[point]))
        return max(points, key=lambda point: (known[point], -point))

    centre, step = best(list(FIRST_POINTS)), 8
    while step:
        centre = best([p for p in (centre - step, centre, centre + step) if 0 <= p < len(GRID)])
        step //= 2
    return float(GRID[centre])
