"""Model soups: the mean of models tuned from one start (Wortsman et al. 2022, arXiv:2203.05482).

Ingredients are state dicts, on disk (`TensorFiles`) or in memory. A mean is computed tensor by
tensor when it is read (`Mean`), so the number of ingredients does not matter to memory.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from adapt.ensembling.weights.interpolate import State, check_same
from adapt.errors import RecipeError, WeightsError

BLOCK = 1 << 20
"""Numbers converted to float64 at once: a whole tensor would cost three times its memory."""
MUCH_WORSE = 0.05
ASIDE = 0.1
FAR = 3.0


class TensorFiles(Mapping[str, Tensor]):
    """A state dict that stays in its safetensors files: one tensor is read when it is asked for.

    Args:
        files: Path of each file, by what is put in front of the names in it; `""` for nothing.

    Raises:
        WeightsError: When a file cannot be read.
    """

    def __init__(self, files: Mapping[str, str | Path]) -> None:
        self._places: dict[str, tuple[Path, str]] = {}
        self._outline: dict[str, Tensor] = {}
        for prefix, path in files.items():
            try:
                with safe_open(path, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 (the handle is no mapping)
                        shape = file.get_slice(name).get_shape()
                        self._places[prefix + name] = (Path(path), name)
                        self._outline[prefix + name] = torch.empty(shape, device="meta")
            except (OSError, SafetensorError) as error:
                raise _unreadable(path, error) from error

    def __getitem__(self, name: str) -> Tensor:
        path, inside = self._places[name]
        try:
            # Opened anew each time: while a handle lives, every page read through it stays.
            with safe_open(path, framework="pt") as file:
                tensor: Tensor = file.get_tensor(inside)
        except (OSError, SafetensorError) as error:
            raise _unreadable(path, error) from error
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def outline(self) -> dict[str, Tensor]:
        """Tensors of the same names and shapes without content; nothing is read."""
        return dict(self._outline)


class Computed(Mapping[str, Tensor], ABC):
    """A state dict whose tensors are computed each time they are read.

    Args:
        outline: A state dict with its names.
    """

    def __init__(self, outline: State) -> None:
        self._outline = outline

    @abstractmethod
    def __getitem__(self, name: str) -> Tensor:
        """One tensor."""

    def __iter__(self) -> Iterator[str]:
        return iter(self._outline)

    def __len__(self) -> int:
        return len(self._outline)


class Mean(Computed):
    """The mean of ingredients: a state dict whose tensors are computed each time they are read.

    Sums are taken in float64 and rounded once, to the type of the first ingredient, so the mean of
    equal tensors of at most 32 bits has the same bits. Tensors that are not floating point are the
    first ingredient's: they count things (batches seen by a BatchNorm), play no part in
    prediction, and have no mean.
    """

    def __init__(self, ingredients: Sequence[State]) -> None:
        super().__init__(ingredients[0])
        self._parts = list(ingredients)

    def __getitem__(self, name: str) -> Tensor:
        first = self._parts[0][name].detach()
        if len(self._parts) == 1 or not first.is_floating_point():
            return first
        total = torch.zeros(first.numel(), dtype=torch.float64)
        shape, dtype = first.shape, first.dtype
        del first
        for part in self._parts:
            values = part[name].detach().reshape(-1)
            for into, block in zip(total.split(BLOCK), values.split(BLOCK), strict=True):
                into.add_(block.cpu())
        return total.div_(len(self._parts)).to(dtype).view(shape)


class AdjustedMean(Computed):
    """The mean of ingredients, to some of whose tensors something is added as they are read.

    Args:
        mean: Of the ingredients.
        adjusted: Names of tensors that are not the plain mean.
        adjustment: From such a name to what is added.
    """

    def __init__(
        self, mean: Mean, adjusted: Collection[str], adjustment: Callable[[str], Tensor]
    ) -> None:
        super().__init__(mean)
        self.adjusted = frozenset(adjusted)
        self._mean, self._adjustment = mean, adjustment

    def __getitem__(self, name: str) -> Tensor:
        value = self._mean[name]
        if name not in self.adjusted:
            return value
        return (value.double() + self._adjustment(name)).to(value.dtype)


def check_alike(ingredients: Mapping[str, State]) -> None:
    """Check that there are two ingredients or more, with the same names and shapes.

    Raises:
        RecipeError: When there are fewer than two.
        WeightsError: Naming the ingredient and the first difference.
    """
    if len(ingredients) < 2:
        raise RecipeError(
            f"soup - too few models - {len(ingredients)} - give two or more: the mean of one model "
            "is that model"
        )
    outlines = {
        name: state.outline() if isinstance(state, TensorFiles) else state
        for name, state in ingredients.items()
    }
    first = next(iter(outlines))
    for name, outline in outlines.items():
        try:
            check_same(outlines[first], outline)
        except WeightsError as error:
            raise WeightsError(f"{first} and {name}: {error}") from error


def differing_names(ingredients: Sequence[State]) -> set[str]:
    """Names of the floating-point tensors in which not all ingredients are equal.

    >>> first, second = ({"w": torch.ones(1), "b": torch.full((1,), value)} for value in (0.0, 1.0))
    >>> differing_names([first, second])
    {'b'}
    """
    first, *others = ingredients
    return {
        name
        for name in first
        if first[name].is_floating_point()
        and not all(torch.equal(first[name].cpu(), other[name].cpu()) for other in others)
    }


def check_ingredients(start: State, ingredients: Sequence[State]) -> None:
    """Check that there are two ingredients or more, alike each other and the start.

    Raises:
        RecipeError: When there are fewer than two.
        WeightsError: Naming the ingredient and the first difference.
    """
    named = {f"ingredient {n}": state for n, state in enumerate(ingredients, start=1)}
    check_alike(named)
    check_alike({"the start": start, **named})


def uniform_soup(ingredients: Sequence[State]) -> dict[str, Tensor]:
    """The plain mean of all ingredients; see `Mean` for how it is rounded.

    Args:
        ingredients: Two or more state dicts of models tuned from the same start.

    Raises:
        RecipeError: When there are fewer than two.
        WeightsError: When names or shapes differ.

    >>> uniform_soup([{"w": torch.zeros(2)}, {"w": torch.ones(2)}])
    {'w': tensor([0.5000, 0.5000])}
    """
    check_alike({f"ingredient {n}": state for n, state in enumerate(ingredients, start=1)})
    return dict(Mean(ingredients))


@dataclass(frozen=True)
class Trial:
    """What became of one ingredient of a greedy soup, and why."""

    name: str
    """Which ingredient."""
    kept: bool
    """Whether it is in the soup."""
    alone: float
    """Its own score."""
    before: float | None
    """Score of the soup without it; None for the first."""
    after: float
    """Score of the soup with it."""
    cosine: float | None
    """Cosine between its task vector and the soup's; None without a start."""
    distance: float | None
    """Its distance from the soup, as a multiple of the soup's distance from the start."""
    reason: str
    """Why, in one sentence."""


@dataclass(frozen=True)
class GreedySoup:
    """The result of `greedy_soup`."""

    state: Mean
    """The soup, computed as it is read; `dict(state)` holds it in memory."""
    chosen: list[str]
    """Names of the ingredients in it, best first."""
    score: float
    """Its score."""
    trials: list[Trial]
    """One for each ingredient, in the order they were tried."""


def greedy_soup(
    ingredients: Mapping[str, State],
    score: Callable[[State], float],
    start: State | None = None,
    alone: Mapping[str, float] | None = None,
) -> GreedySoup:
    """Add ingredients one by one, best first, and keep those that make the soup better.

    The recipe of Wortsman et al. (arXiv:2203.05482): each ingredient is scored alone, and in
    falling order of that score (ties in the order given) it is kept if and only if the mean of the
    chosen and it scores strictly higher than the mean of the chosen. One pass. The mean is taken
    anew from the ingredients each time, so no rounding error adds up.

    Args:
        ingredients: Two or more state dicts by name.
        score: From a state dict to a number, higher is better, measured on held-out images. What
            it is given is read tensor by tensor; it should read each tensor once.
        start: What the ingredients were tuned from; without it trials have no cosine and distance.
        alone: Scores of the single ingredients, when they are known already.

    Raises:
        RecipeError: When there are fewer than two ingredients.
        WeightsError: When names or shapes differ.
    """
    check_alike(ingredients if start is None else {"the start": start, **ingredients})
    check_alike(ingredients)
    own = {name: score(state) for name, state in ingredients.items()} if alone is None else alone
    order = sorted(ingredients, key=lambda name: -own[name])
    chosen, best = order[:1], own[order[0]]
    reason = f"first: the best alone ({best:.3f})"
    trials = [Trial(order[0], True, best, None, best, None, None, reason)]
    for name in order[1:]:
        soup = Mean([ingredients[kept] for kept in chosen])
        after = score(Mean([ingredients[kept] for kept in [*chosen, name]]))
        where = (None, None) if start is None else position(start, soup, ingredients[name])
        better = after > best
        reason = _reason(own[name], best, after, where)
        trials.append(Trial(name, better, own[name], best, after, *where, reason))
        if better:
            chosen, best = [*chosen, name], after
    return GreedySoup(Mean([ingredients[kept] for kept in chosen]), chosen, best, trials)


def position(start: State, soup: State, other: State) -> tuple[float | None, float | None]:
    """Where a model lies, seen from a soup: over all floating-point tensors together.

    Args:
        start: What both were tuned from.
        soup: Same names and shapes.
        other: Same names and shapes.

    Returns:
        The cosine between the task vectors `other - start` and `soup - start`, and the distance
        between `other` and `soup` divided by that between `soup` and `start`. None where one of
        the models is the start itself.
    """
    dot = soup_square = other_square = 0.0
    for name in start:
        tensors = [state[name].detach().reshape(-1) for state in (start, soup, other)]
        if not tensors[0].is_floating_point():
            continue
        for blocks in zip(*(tensor.split(BLOCK) for tensor in tensors), strict=True):
            origin, at_soup, at_other = (block.cpu().double() for block in blocks)
            at_soup -= origin
            at_other -= origin
            dot += float(at_soup @ at_other)
            soup_square += float(at_soup @ at_soup)
            other_square += float(at_other @ at_other)
    if not soup_square:
        return None, None
    apart = math.sqrt(max(soup_square + other_square - 2 * dot, 0.0) / soup_square)
    cosine = dot / math.sqrt(soup_square * other_square) if other_square else None
    return cosine, apart


def _reason(
    alone: float, before: float, after: float, place: tuple[float | None, float | None]
) -> str:
    if after > before:
        return f"kept: raises the score from {before:.3f} to {after:.3f}"
    cosine, distance = place
    causes = []
    if alone < before - MUCH_WORSE:
        causes.append(f"is itself much worse ({alone:.3f} alone)")
    if cosine is not None and cosine < ASIDE:
        causes.append(f"points away from the others (cosine {cosine:.2f})")
    if distance is not None and distance > FAR:
        causes.append(f"lies {distance:.1f} times as far away as the start does")
    if after == before:
        change = f"refused: no gain, the score stays at {before:.3f}"
    else:
        change = f"refused: lowers the score from {before:.3f} to {after:.3f}"
    return f"{change}; it {' and '.join(causes)}" if causes else change


def _unreadable(path: str | Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path} - cannot be read as safetensors - {error} - copy the file again")
