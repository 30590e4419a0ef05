"""Last-layer retraining on groups of equal size: DFR (arXiv:2204.02937)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from adapt.common.ranges import Ranges, at_least
from adapt.errors import DataError
from adapt.methods.base import register
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.groups import SupportGroups, worst_accuracy
from adapt.methods.features.sparse import fit_sparse
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

STRENGTHS = (1.0, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01)
"""Values of C that the authors try."""
SEARCH_DRAWS = 3
"""Balanced subsets that judge a C, each with half of the images where there is no val."""
Head = tuple[Tensor, Tensor]


@register("dfr")
@dataclass
class DFR(HeadMethod):
    """Mean of sparse logistic regressions, each on equally many images of every group.

    A group is a class with a value of the column `groups`; as many images are drawn of each as the
    smallest has. Features are standardised by all training images, each regression has an L1
    penalty, and their weights and biases are averaged. The
    authors take held-out images with groups, since their encoder was trained on the training
    images; here it was not, and training images serve. The encoders stay as they are.
    """

    by_groups: ClassVar[bool] = True
    without_text: ClassVar[bool] = True

    ranges = Ranges(C=at_least(0, "search"), draws=at_least(1, most=1000))

    groups: str = ""
    """Column of the table of training images whose values make groups with the classes; an empty
    text takes the classes alone."""
    C: float = 0.0
    """Strength of the fit against the penalty; 0 searches 7 values from 0.01 to 1 for the best
    worst-group accuracy on val, or without val on the half of the training images that a fit did
    not see."""
    draws: int = 10
    """Balanced subsets, each with a regression of its own."""
    views: int = 1
    """Augmented views of each image, of which the mean is taken; 1 is the evaluation view alone."""

    def head(self, support: Support) -> nn.Linear:
        """Weight and bias on features that are not standardised.

        Raises:
            DataError: When a class has no image.
        """
        present = torch.unique(support.targets)
        if len(present) < support.classes:
            lacking = sorted(set(range(support.classes)) - set(present.tolist()))[0]
            raise DataError(
                f"support - a class without images - class {lacking} of {support.classes} - give "
                "images of every class, or another method"
            )
        groups = SupportGroups.of(support)
        centre, spread = scaling(support.features)
        scaled = (support.features.double() - centre) / spread
        strength = self.C or self.search(support, groups, scaled, (centre, spread))
        fitted = self.averaged(scaled, support, groups.numbers, strength)
        return linear_head(*(part.float() for part in unscaled(fitted, centre, spread)))

    def averaged(self, x: Tensor, support: Support, numbers: Tensor, strength: float) -> Head:
        """The mean head over balanced subsets.

        Args:
            x: Standardised features (N, D).
            support: Targets and seed.
            numbers: Group of each image, (N,).
            strength: C.
        """
        random = torch.Generator().manual_seed(support.seed)
        heads, last = list[Head](), None
        for _ in range(self.draws):
            rows = balanced_rows(numbers, random)
            last = fit_sparse(x[rows], support.targets[rows], support.classes, strength, last)
            heads.append(last)
        weights, biases = zip(*heads, strict=True)
        return torch.stack(weights).mean(0), torch.stack(biases).mean(0)

    def search(
        self,
        support: Support,
        groups: SupportGroups,
        x: Tensor,
        scale: tuple[Tensor, Tensor],
    ) -> float:
        """C by the worst-group accuracy on images that a fit did not see.

        Of equal ones the largest.

        Args:
            support: The images.
            groups: Of them.
            x: Standardised features (N, D).
            scale: How they were standardised.
        """
        random = torch.Generator().manual_seed(support.seed)
        summed = dict.fromkeys(STRENGTHS, 0.0)
        for _ in range(SEARCH_DRAWS):
            if support.val is not None and groups.val is not None:
                own = torch.arange(len(x))
                held = (support.val[0].double() - scale[0]) / scale[1]
                targets, held_groups = support.val[1], groups.val
            else:
                own, other = halves(groups.numbers, random)
                held, targets = x[other], support.targets[other]
                held_groups = groups.numbers[other]
            rows = own[balanced_rows(groups.numbers[own], random)]
            last = None
            for strength in reversed(STRENGTHS):
                last = fit_sparse(x[rows], support.targets[rows], support.classes, strength, last)
                right = (held @ last[0].T + last[1]).argmax(1) == targets
                summed[strength] += worst_accuracy(right, held_groups)
        return max(STRENGTHS, key=lambda strength: summed[strength])


def scaling(features: Tensor) -> Head:
    """Mean and standard deviation of every feature (D,), in float64; 1 where there is none."""
    spread = features.double().std(0, correction=0)
    return features.double().mean(0), torch.where(spread > 0, spread, 1.0)


def unscaled(head: Head, centre: Tensor, spread: Tensor) -> Head:
    """The head that says of features what another says of standardised ones."""
    weight = head[0] / spread
    return weight, head[1] - weight @ centre


def balanced_rows(numbers: Tensor, random: torch.Generator) -> Tensor:
    """Positions of as many images of every group as the smallest has, drawn at random.

    Args:
        numbers: Group of each image, (N,).
        random: Draws them.

    >>> rows = balanced_rows(torch.tensor([0, 1, 1, 1, 0, 1]), torch.Generator().manual_seed(0))
    >>> len(rows)
    4
    """
    parts = [(numbers == number).nonzero()[:, 0] for number in torch.unique(numbers)]
    least = min(map(len, parts))
    drawn = [part[torch.randperm(len(part), generator=random)[:least]] for part in parts]
    return torch.cat(drawn)


def halves(numbers: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two random halves of every group; a single image of a group is in both.

    Args:
        numbers: Group of each image, (N,).
        random: Draws them.
    """
    first, second = list[Tensor](), list[Tensor]()
    for number in torch.unique(numbers):
        own = (numbers == number).nonzero()[:, 0]
        own = own[torch.randperm(len(own), generator=random)]
        half = (len(own) + 1) // 2
        first.append(own[:half])
        second.append(own[half:] if len(own) > 1 else own)
    return torch.cat(first), torch.cat(second)
