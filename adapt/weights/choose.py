"""Choosing a point of the curve; where its scores come from is the caller's business."""

from collections.abc import Callable, Sequence

from adapt.errors import RecipeError


def alpha_grid(count: int) -> list[float]:
    """Evenly spaced alphas from 0 to 1, both ends exact.

    >>> alpha_grid(3)
    [0.0, 0.5, 1.0]
    """
    if count < 2:
        raise RecipeError(f"ensemble.alphas - too few - {count} - give 2 or more")
    return [round(i / (count - 1), 6) for i in range(count)]


def best_alpha(alphas: Sequence[float], score: Callable[[float], tuple[float, ...]]) -> float:
    """The alpha with the highest score; among equals the smallest, which is nearest to zero-shot.

    Args:
        alphas: The grid.
        score: Higher is better; compared like tuples, so that a second number breaks ties.

    >>> best_alpha([0.0, 0.5, 1.0], lambda alpha: (min(alpha, 0.5),))
    0.5
    """
    if not alphas:
        raise RecipeError("ensemble.alphas - empty - [] - give 2 or more")
    return max(alphas, key=lambda alpha: (score(alpha), -alpha))
