"""Linear probe on frozen features, its regularisation searched as in CLIP (arXiv:2103.00020)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adapt.data.balance import balance_weights, class_weights
from adapt.data.image_data import ImageData
from adapt.data.splits import stratified_folds
from adapt.methods.base import register
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.training.features import image_features, prepare
from adapt.training.groups import trainable_copy
from adapt.training.loop import Context
from adapt.training.settings import check_class_weights

INITIALISATIONS = ("zero", "zero_shot")
GRID = np.logspace(-6, 6, 97)
FIRST_POINTS = range(0, 97, 16)
FOLDS = 5
Part = tuple[Tensor, Tensor]
"""Features (N, D) and class numbers (N,)."""


@register("linear_probe")
@dataclass
class LinearProbe:
    """Logistic regression on unit image features; the towers stay as they are.

    With `zero` the penalty pulls the head to zero, which is scikit-learn's LogisticRegression. With
    `zero_shot` it pulls to the start's head: strong regularisation then gives zero-shot back.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    initialisation: str = "zero_shot"
    """What the head starts from and is pulled to: `zero` or `zero_shot`."""
    inverse_strength: float = 0.0
    """scikit-learn's C; 0 searches 97 values from 1e-6 to 1e6 on val, or without val by
    cross-validation on train."""
    iterations: int = 1000
    """Most L-BFGS iterations of one fit."""
    class_weights: str | dict[str, float] = "none"
    """Weight of an image in the loss and in the search: `none`, `auto` (scikit-learn's `balanced`)
    or weights by class name; classes not named weigh 1. `data.balance` is a weight here too."""

    def __post_init__(self) -> None:
        if self.initialisation not in INITIALISATIONS:
            raise ValueError(
                f"initialisation - not known - {self.initialisation!r} - choose one of "
                f"{', '.join(INITIALISATIONS)}"
            )
        if self.inverse_strength < 0:
            raise ValueError(
                f"inverse_strength - out of range - {self.inverse_strength} - give 0 (search) or "
                "more"
            )
        if self.iterations < 1:
            raise ValueError(f"iterations - out of range - {self.iterations} - give 1 or more")
        check_class_weights(self.class_weights)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start in which the head alone trains."""
        return trainable_copy(start, lambda name: False, train_head=True)

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Fit a new head on a copy of the start.

        Raises:
            RecipeError: When `class_weights` names a class that is not there.
        """
        context = context or Context()
        runtime = context.runtime
        names, preprocessing = start.class_names, start.backbone.preprocessing

        def read(split: object) -> Part:
            pixels = prepare(split, preprocessing, runtime)  # type: ignore[arg-type]
            targets = torch.from_numpy(split.targets(names))  # type: ignore[attr-defined]
            return image_features(start.backbone, pixels, runtime), targets

        train, val = read(data.train), read(data.val) if data.val is not None else None
        anchor = start.head.weight.detach().cpu() if self.initialisation == "zero_shot" else None
        weight = self._weight(train[1], names, context.balance)
        strength = self.inverse_strength or self.search(train, val, anchor, len(names), weight)
        fitted = fit_probe(*train, len(names), strength, anchor, self.iterations, weight)
        return start.with_learned_head(linear_head(*fitted))

    def _weight(self, targets: Tensor, names: list[str], balance: str) -> Tensor | None:
        given = class_weights(self.class_weights, targets.numpy(), names)
        drawn = None
        if balance != "none":
            drawn = balance_weights(balance, targets.numpy(), len(names))
        parts = [torch.from_numpy(one) for one in (given, drawn) if one is not None]
        return torch.stack(parts).prod(0) if parts else None

    def search(
        self,
        train: Part,
        val: Part | None,
        anchor: Tensor | None,
        classes: int,
        weight: Tensor | None = None,
    ) -> float:
        """The C with the best val accuracy; without val, the best in cross-validation on train.

        With weights of the classes (K,) the accuracy is weighted too.
        """
        pairs = [(train, val)] if val is not None else _folds(*train)

        def score(strength: float) -> float:
            right, mass = [], []
            for (x, y), (held_x, held_y) in pairs:
                head, bias = fit_probe(x, y, classes, strength, anchor, self.iterations, weight)
                right.append((held_x @ head.T + bias).argmax(1) == held_y)
                mass.append(torch.ones(classes)[held_y] if weight is None else weight[held_y])
            share = torch.cat(mass).double()
            return float((torch.cat(right) * share).sum() / share.sum())

        return search_grid(score)


def _folds(features: Tensor, targets: Tensor) -> list[tuple[Part, Part]]:
    """Pairs of (rest, fold): as many folds as the smallest class has images, 2 to 5."""
    labels = [str(target) for target in targets.tolist()]
    count = min(FOLDS, max(2, int(torch.unique(targets, return_counts=True)[1].min())))
    number = torch.from_numpy(stratified_folds(labels, count, seed=0))
    parts = [(number != fold, number == fold) for fold in range(count)]
    return [
        ((features[rest], targets[rest]), (features[held], targets[held])) for rest, held in parts
    ]


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


def fit_probe(
    features: Tensor,
    targets: Tensor,
    classes: int,
    inverse_strength: float,
    anchor: Tensor | None = None,
    iterations: int = 1000,
    class_weights: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression by L-BFGS in float64, to convergence.

    Minimises `sum of cross-entropies + |W - anchor|^2 / (2 C)`; the bias is not penalised. With no
    anchor this is scikit-learn's `LogisticRegression(C=C, class_weight=class_weights)`; for two
    classes, where scikit-learn penalises one vector instead of two, its `C=2 * C`.

    Args:
        features: Shape (N, D).
        targets: Class numbers, shape (N,).
        classes: Number of classes K.
        inverse_strength: C.
        anchor: Where W starts and is pulled to, shape (K, D); zero when not given.
        iterations: Most iterations.
        class_weights: Factor (K,) on the cross-entropy of an image of each class.

    Returns:
        Weight (K, D) and bias (K,), float32.
    """
    x, y = features.double(), targets
    factor = None if class_weights is None else class_weights.double()
    base = (
        torch.zeros(classes, x.shape[1], dtype=torch.double) if anchor is None else anchor.double()
    )
    offset = torch.zeros_like(base, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.double, requires_grad=True)
    # So that the curvature stays near 1 or below over all twelve decades of C.
    weight_of_loss = min(1.0, inverse_strength)
    optimizer = torch.optim.LBFGS(
        [offset, bias],
        lr=1,
        max_iter=iterations,
        history_size=20,
        tolerance_grad=1e-7 * weight_of_loss,  # the bias feels the loss alone
        tolerance_change=1e-12 * weight_of_loss,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ (base + offset).T + bias, y, factor, reduction="sum")
        total = weight_of_loss * (loss + offset.square().sum() / (2 * inverse_strength))
        total.backward()
        return total

    optimizer.step(closure)
    return (base + offset).detach().float(), bias.detach().float()
