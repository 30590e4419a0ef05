"""What methods answer for support images that they were fitted without."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor, nn

from adapt.common.progress import track
from adapt.methods.features.cross_validation import rounds
from adapt.methods.features.side_by_side import side_by_side
from adapt.methods.features.support import Support
from adapt.models.cache_head import CacheHead
from adapt.models.heads import linear_head

FOLDS = 3
"""More would take longer and hardly separate methods that are equally good."""
Answer = tuple[Tensor, Tensor]
"""Logits (M, K) of held-out images, and their classes (M,)."""


class FitsHead(Protocol):
    """Whatever makes a head of a support set."""

    def head(self, support: Support) -> nn.Linear | CacheHead:
        """Fit; pure."""


def head_of(method: FitsHead | None, support: Support) -> nn.Linear | CacheHead:
    """The head that a method fits; the zero-shot head if None."""
    return linear_head(support.zero_shot) if method is None else method.head(support)


def folds_of(support: Support) -> range:
    """Numbers of the folds; none where no class has two images."""
    return range(int(rounds(support, FOLDS).max()) + 1)


def out_of_fold(support: Support, method: FitsHead | None) -> Answer | None:
    """Logits (M, K) of support images from heads fitted without them, and their classes (M,).

    Args:
        support: Features and classes.
        method: The method; zero-shot if None.

    Returns:
        None where no class has two images.
    """
    return answers_of(support, {"": method}, folds_of(support)).get("")


def answers_of(
    support: Support, methods: Mapping[str, FitsHead | None], folds: Sequence[int]
) -> dict[str, Answer]:
    """By method, what it answers for the images that some folds hold out; zero-shot if None.

    Empty where there are no folds.
    """
    number = rounds(support, FOLDS)

    def answer(method: FitsHead | None, fold: int) -> Answer:
        held = number == fold
        head = head_of(method, support.part(~held))
        with torch.no_grad():
            return head(support.features[held]).double(), support.targets[held]

    order = [(name, fold) for name in methods for fold in folds]
    pieces = [partial(answer, methods[name], fold) for name, fold in order]
    parts: dict[str, list[Answer]] = {name: [] for name in methods}
    made = track(side_by_side(pieces), "ranking methods", len(order))
    for (name, _), part in zip(order, made, strict=True):
        parts[name].append(part)
    return {name: joined(own) for name, own in parts.items() if own}


def joined(parts: Sequence[Answer]) -> Answer:
    """Answers of several folds as those of one."""
    logits, targets = zip(*parts, strict=True)
    return torch.cat(logits), torch.cat(targets)
