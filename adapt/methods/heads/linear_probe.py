"""Linear probe on frozen features, its regularisation chosen on held-out images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor, nn

from adapt.common.ranges import Ranges, at_least, one_of
from adapt.data.loading.balance import balance_weights, class_weights
from adapt.errors import RecipeError
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.one_vs_rest import OneVsRest
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head
from adapt.models.penultimate import FEATURES, PENULTIMATE, PROJECTED
from adapt.training.logistic import Logistic, climb
from adapt.training.settings import check_class_weights

INITIALISATIONS = ("zero", "zero_shot")
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3)
"""Values of C that may be tried."""
WITHOUT_FOLDS = 1e3
"""C where each class has one image; 300 to 1e4 are about equally good on test images."""
FOLDS = 3
TO_CHOOSE, TO_KEEP = 1e-2, 1e-5
"""What the last Newton step of a fit promises at most, as a fraction of the loss, whether the fit
judges a C or makes the head. The step goes on to about a hundredth of that above the minimum."""


@register("linear_probe")
@dataclass
class LinearProbe(HeadMethod):
    """Logistic regression on unit image features; the encoders stay as they are.

    With `zero` the penalty pulls the head to zero, which is scikit-learn's LogisticRegression. With
    `zero_shot` it pulls to the start's head: strong regularisation then gives its matrix back; the
    bias stays free. Where images have several labels, each class has a regression of its own, yes
    against no, all with one C.
    """

    without_text: ClassVar[bool] = True
    several_labels: ClassVar[bool] = True

    ranges = Ranges(
        initialisation=one_of(INITIALISATIONS),
        features=one_of(FEATURES),
        C=at_least(0, "search"),
        iterations=at_least(1),
    )

    initialisation: str = "zero_shot"
    """What the head starts from and is pulled to: `zero` or `zero_shot`."""
    C: float = 0.0
    """scikit-learn's C; 0 searches 12 values from 0.01 to 3000: of those that are not clearly less
    accurate on val than the best, the most likely; without val the most likely by
    cross-validation."""
    iterations: int = 1000
    """Most Newton steps of one fit."""
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
            RecipeError: When `class_weights` names a class that is not there, or classes are
                weighed where images have several labels.
        """
        if support.targets.ndim == 2:
            return self._one_vs_rest(support)
        weight = self._weight(support)
        problem = self._problem(support, weight)
        strength = self.C or self.search(support, weight, problem)
        fitted = problem.fit(strength, TO_KEEP, self.iterations)
        return linear_head(*map(torch.from_numpy, fitted))

    def _one_vs_rest(self, support: Support) -> nn.Linear:
        if self.class_weights != "none" or support.balance != "none":
            given = f"{self.class_weights!r}, balance {support.balance!r}"
            what = "not for several labels per image"
            raise RecipeError(f"class_weights - {what} - {given} - set both to none")
        from_text = self.initialisation == "zero_shot"
        anchor = support.zero_shot.numpy() if from_text else None
        problem = OneVsRest.of(support, anchor, self.iterations)
        return linear_head(*problem.fit(self.C or problem.search(support, STRENGTHS, FOLDS)))

    def _weight(self, support: Support) -> Tensor | None:
        labels = support.targets.numpy()
        names = support.class_names or tuple(map(str, range(support.classes)))
        parts = [class_weights(self.class_weights, labels, names)]
        if support.balance != "none":
            parts.append(balance_weights(support.balance, labels, support.classes))
        given = [torch.from_numpy(part) for part in parts if part is not None]
        return torch.stack(given).prod(0) if given else None

    def search(
        self, support: Support, weight: Tensor | None = None, problem: Logistic | None = None
    ) -> float:
        """C by the images of `val`, or without them by those that a fold holds out.

        The likelihood of held-out labels decides, on val among the values whose accuracy is not
        clearly below the best one, by a standard error of the difference, image by image. With a
        few hundred images accuracy is too coarse and rises and falls by chance; with thousands
        it is sharp, and the most likely C may be far from the most accurate.

        Args:
            support: The images.
            weight: Of an image of each class, (K,); 1 without it.
            problem: That of all images, if it is there already; it then keeps what it learns.
        """
        if support.val is not None:
            x, y = (part.numpy() for part in support.val)
            own = np.zeros(len(y), int)
            problem = problem or self._problem(support, weight)
        else:
            x, y, number = support.features.numpy(), support.targets.numpy(), rounds(support, FOLDS)
            if int(number.max()) < 0:
                return WITHOUT_FOLDS
            own = number.numpy()
            problem = self._problem(support, weight, number.repeat(len(support.views)).numpy())
        weights = (np.ones(len(y)) if weight is None else weight.numpy()[y])[own >= 0]
        known: dict[float, tuple[np.ndarray, np.ndarray]] = {}

        def judged(strength: float) -> tuple[np.ndarray, np.ndarray]:
            if strength not in known:
                logs, right = np.zeros(len(y)), np.zeros(len(y))
                heads = problem.fits(strength, TO_CHOOSE, self.iterations)
                for fold, (head, bias) in enumerate(heads):
                    held = np.flatnonzero(own == fold)
                    scores = log_softmax(x[held] @ head.T + bias, axis=1)
                    logs[held] = scores[np.arange(len(held)), y[held]]
                    right[held] = scores.argmax(1) == y[held]
                known[strength] = logs[own >= 0], right[own >= 0]
            return known[strength]

        def mean(strength: float, kind: int) -> float:
            return float(np.average(judged(strength)[kind], weights=weights))

        likely = climb(lambda strength: mean(strength, 0), STRENGTHS)
        if support.val is None:
            return likely
        climb(lambda strength: mean(strength, 1), STRENGTHS)
        return most_likely(known, weights)

    def _problem(
        self, support: Support, weight: Tensor | None, folds: np.ndarray | None = None
    ) -> Logistic:
        features, targets = (part.numpy() for part in support.all_views)
        anchor = support.zero_shot.numpy() if self.initialisation == "zero_shot" else None
        factor = None if weight is None else weight.numpy()
        return Logistic(features, targets, support.classes, anchor, factor, folds)


def most_likely(
    judged: Mapping[float, tuple[np.ndarray, np.ndarray]], weights: np.ndarray
) -> float:
    """The most likely strength of those that are not clearly less accurate than the best.

    Of equal ones the smallest.

    Args:
        judged: By strength: log-likelihoods of the images, and whether each is right, (N,).
        weights: Of the images, (N,).
    """

    def mean(values: np.ndarray) -> float:
        return float(np.average(values, weights=weights))

    best = max(sorted(judged), key=lambda strength: mean(judged[strength][1]))

    def level(strength: float) -> bool:
        lost = judged[best][1] - judged[strength][1]
        error = np.sqrt((weights**2 * (lost - mean(lost)) ** 2).sum()) / weights.sum()
        return bool(mean(lost) <= error)

    kept = [strength for strength in sorted(judged) if level(strength)]
    return max(kept, key=lambda strength: mean(judged[strength][0]))
