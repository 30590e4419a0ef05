"""What a strategy is and may see, and the table of all of them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np

from adapt.common.arrays import FloatArray, IntArray, SingleArray
from adapt.common.registry import Registry
from adapt.errors import DataError, RecipeError, did_you_mean

MIX = "mix"
"""The default: why, is in `docs/benchmarks/suggest.md`."""


class Pick(NamedTuple):
    """One image to label."""

    row: int
    """Its row in the pool."""
    why: str
    """What spoke for it, in a few words for a person."""


@dataclass(frozen=True)
class UnlabelledPool:
    """N images without labels as a model sees them, and what is labelled so far.

    Raises:
        DataError: When shapes do not fit, or a number is not finite.
    """

    features: SingleArray
    """(N, D), unit length."""
    probabilities: FloatArray
    """(N, K), what the model says now; rows sum to 1."""
    labelled: SingleArray
    """(L, D) features of what is labelled so far; L may be 0."""
    targets: IntArray
    """(L,) class numbers of what is labelled so far."""
    class_names: tuple[str, ...]
    """Of the K classes."""
    seed: int = 0
    """Of what a strategy draws at random."""

    def __post_init__(self) -> None:
        rows, width = self.features.shape
        shapes = {
            "probabilities": (self.probabilities.shape, (rows, len(self.class_names))),
            "labelled": (self.labelled.shape, (len(self.targets), width)),
        }
        for name, (given, wanted) in shapes.items():
            if given != wanted:
                raise DataError(f"pool - {name} do not fit - {given} - give the shape {wanted}")
        for name in ("features", "probabilities", "labelled"):
            if not np.isfinite(getattr(self, name)).all():
                raise DataError(f"pool - {name} - not finite - leave these images out")

    def __len__(self) -> int:
        """N, the number of images without labels."""
        return len(self.features)

    @cached_property
    def predicted(self) -> IntArray:
        """(N,) numbers of the most probable classes."""
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @cached_property
    def margins(self) -> FloatArray:
        """(N,) probability of the most probable class minus that of the next.

        >>> empty = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        >>> answers = np.array([[0.75, 0.25], [0.5, 0.5]])
        >>> pool = UnlabelledPool(np.eye(2, dtype=np.float32), answers, *empty, ("a", "b"))
        >>> pool.margins.tolist()
        [0.5, 0.0]
        """
        if self.probabilities.shape[1] < 2:
            return np.ones(len(self))
        best = np.partition(self.probabilities, -2, axis=1)
        return np.asarray(best[:, -1] - best[:, -2])

    @cached_property
    def counts(self) -> IntArray:
        """(K,) number of labelled images of each class."""
        return np.bincount(self.targets, minlength=len(self.class_names)).astype(np.int64)

    def undecided(self, row: int) -> str:
        """Between which classes the model is undecided about an image, in words."""
        first, *others = np.argsort(-self.probabilities[row], kind="stable")[:2].tolist()
        shown = [f"{self.class_names[k]} {self.probabilities[row, k]:.2f}" for k in others]
        best = f"{self.class_names[first]} {self.probabilities[row, first]:.2f}"
        return " against ".join([best, *shown])

    def generator(self) -> np.random.Generator:
        """What random numbers come from: the same for the same seed and number of labels."""
        return np.random.default_rng([self.seed, len(self.targets)])


Choose: TypeAlias = Callable[[UnlabelledPool, int], list[Pick]]


@dataclass(frozen=True)
class Strategy:
    """A way to choose what to label next."""

    choose: Choose
    """From a pool and a number of images (at least 1, at most N) to so many different images, the
    one to label first in front."""

    @property
    def sentence(self) -> str:
        """What it takes: the first line of its docstring."""
        return (inspect.getdoc(self.choose) or "").partition("\n")[0].rstrip(".")


STRATEGIES = Registry[Strategy]("strategy", __package__, first=(MIX,))


def strategy(name: str) -> Callable[[Choose], Choose]:
    """Decorator: make a function known as `adapt suggest --strategy NAME`.

    Args:
        name: Its name.
    """

    def add(choose: Choose) -> Choose:
        STRATEGIES.register(name, Strategy(choose))
        return choose

    return add


def get_strategy(name: str) -> Strategy:
    """A strategy by name.

    Raises:
        RecipeError: When there is none of that name.
    """
    table = STRATEGIES.table()
    if name not in table:
        hint = did_you_mean(name, table)
        raise RecipeError(f"--strategy - not known - {name!r}{hint} - use {', '.join(table)}")
    return table[name]


def choose(pool: UnlabelledPool, budget: int, name: str = MIX) -> list[Pick]:
    """The images to label next.

    Args:
        pool: What there is to choose from.
        budget: How many; all images where there are fewer.
        name: Of the strategy.

    Raises:
        RecipeError: When the strategy is not known, or the budget is no number of images.
    """
    if budget < 1:
        raise RecipeError(f"--budget - out of range - {budget} - give 1 or more")
    most = min(budget, len(pool))
    return get_strategy(name).choose(pool, most) if most else []
