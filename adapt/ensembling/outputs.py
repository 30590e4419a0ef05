"""Ensembles of outputs: the reference that averaging weights is measured against.

They need both models for every image; a weight-space ensemble needs one.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import entr, expit, softmax

from adapt.common.arrays import FloatArray
from adapt.errors import DataError, RecipeError


def mix_outputs(
    start: npt.ArrayLike,
    tuned: npt.ArrayLike,
    alpha: float,
    temperatures: tuple[float, float] = (1.0, 1.0),
) -> FloatArray:
    """Probabilities `(1 - alpha) * p_start + alpha * p_tuned`: the line of WiSE-FT, in outputs.

    Args:
        start: Logits of the start model, shape (N, K).
        tuned: Logits of the tuned model on the same images, shape (N, K).
        alpha: From 0 (start) to 1 (tuned).
        temperatures: What the logits of each model are divided by before the softmax.

    Returns:
        Probabilities (N, K).

    Raises:
        DataError: When the logits are not numbers of one shape.
        RecipeError: When alpha is not between 0 and 1, or a temperature not above 0.

    >>> mix_outputs([[0.0, 0.0]], [[100.0, 0.0]], 0.5).round(4)
    array([[0.75, 0.25]])
    """
    if not 0 <= alpha <= 1:
        raise RecipeError(f"alpha - out of range - {alpha} - give a number from 0 to 1")
    first, second = _probabilities(start, tuned, temperatures)
    mixed: FloatArray = (1 - alpha) * first + alpha * second
    return mixed


def mixed_logits(start: npt.ArrayLike, tuned: npt.ArrayLike, alpha: float) -> FloatArray:
    """Logits, float32, whose softmax is what `mix_outputs` gives.

    Args:
        start: Logits of the start model, shape (N, K).
        tuned: Logits of the tuned model on the same images, shape (N, K).
        alpha: From 0 (start) to 1 (tuned).

    Raises:
        DataError: When the logits are not finite numbers of one shape.
        RecipeError: When alpha is not between 0 and 1.

    >>> mixed_logits([[0.0, 0.0]], [[0.0, 0.0]], 0.5).round(3)
    array([[-0.693, -0.693]], dtype=float32)
    """
    return as_logits(mix_outputs(start, tuned, alpha))


def as_logits(probabilities: FloatArray) -> FloatArray:
    """Logits, float32, whose softmax gives some probabilities back.

    >>> as_logits(np.array([[0.5, 0.5]])).round(3)
    array([[-0.693, -0.693]], dtype=float32)
    """
    smallest = np.finfo(np.float32).tiny  # the logarithm of what is rounded to 0 stays finite
    return np.asarray(np.log(np.maximum(probabilities, smallest)), dtype=np.float32)


def mean_logits(
    start: npt.ArrayLike, tuned: npt.ArrayLike, temperatures: tuple[float, float] = (1.0, 1.0)
) -> FloatArray:
    """The mean of the logits of both models, each divided by its temperature.

    Its softmax is the normalised geometric mean of the probabilities.

    Args:
        start: Logits of the start model, shape (N, K).
        tuned: Logits of the tuned model on the same images, shape (N, K).
        temperatures: What the logits of each model are divided by.

    Raises:
        DataError: When the logits are not numbers of one shape.
        RecipeError: When a temperature is not above 0.

    >>> mean_logits([[4.0, 0.0]], [[0.0, 6.0]], (2.0, 3.0))
    array([[1., 1.]])
    """
    first, second = _checked(start, tuned, temperatures)
    mixed: FloatArray = (first + second) / 2
    return mixed


def mix_by_entropy(
    start: npt.ArrayLike,
    tuned: npt.ArrayLike,
    temperatures: tuple[float, float] = (1.0, 1.0),
    offset: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """An alpha of its own for each image: the surer of the two models counts more.

    The weight of the tuned model is `exp(-H_tuned) / (exp(-H_start) + exp(-H_tuned))` with the
    entropies H of the two outputs (DaWin, Oh et al. 2024, arXiv:2410.03782, which mixes weights by
    it; here outputs are mixed, as in their `ensemble_coef`). With `offset` a constant is added to
    both sides that pulls the weights to the share of the start in the summed entropies, the more
    the entropies vary: their offset adjustment, which looks at the whole set without its labels.

    Args:
        start: Logits of the start model, shape (N, K).
        tuned: Logits of the tuned model on the same images, shape (N, K).
        temperatures: What the logits of each model are divided by before the softmax.
        offset: Adjust by the set; nothing for one image, or where a model is entirely sure of all.

    Returns:
        Probabilities (N, K), and the weights of the tuned model (N,), 0 to 1.

    Raises:
        DataError: When the logits are not numbers of one shape.
        RecipeError: When a temperature is not above 0.
    """
    first, second = _probabilities(start, tuned, temperatures)
    unsure = entr(first).sum(axis=1), entr(second).sum(axis=1)
    weights: FloatArray = expit(unsure[0] - unsure[1])
    means = [values.mean() for values in unsure]
    if offset and len(first) > 1 and min(means) > 0:
        spread = [values.std(ddof=1) / mean for values, mean in zip(unsure, means, strict=True)]
        both, share = np.exp(-unsure[0]) + np.exp(-unsure[1]), means[0] / sum(means)
        added = sum(spread) / 2
        weights = (weights * both + added * share) / (both + added)
    mixed: FloatArray = (1 - weights[:, None]) * first + weights[:, None] * second
    return mixed, weights


def _probabilities(
    start: npt.ArrayLike, tuned: npt.ArrayLike, temperatures: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    first, second = _checked(start, tuned, temperatures)
    return softmax(first, axis=1), softmax(second, axis=1)


def _checked(
    start: npt.ArrayLike, tuned: npt.ArrayLike, temperatures: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Logits divided by their temperatures; minus infinity marks a class that cannot win."""
    first, second = (np.asarray(logits, dtype=np.float64) for logits in (start, tuned))
    if first.ndim != 2 or first.shape[1:] == (0,) or first.shape != second.shape:
        raise DataError(
            f"logits - shapes do not fit - {first.shape} and {second.shape} - give (images, "
            "classes) of both models on the same images"
        )
    # The largest of a row with NaN is NaN.
    if not np.isfinite([part.max(axis=1) for part in (first, second)]).all():
        raise DataError(
            "logits - no highest class - NaN or infinity - give numbers, minus infinity only for "
            "classes that cannot win"
        )
    if not min(temperatures) > 0:
        raise RecipeError(f"temperatures - out of range - {temperatures} - give numbers above 0")
    return first / temperatures[0], second / temperatures[1]
