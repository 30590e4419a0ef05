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
        DataError: When the logits are not finite numbers of one shape.
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
    smallest = np.finfo(np.float32).tiny  # the logarithm of what is rounded to 0 stays finite
    mixed = np.maximum(mix_outputs(start, tuned, alpha), smallest)
    return np.asarray(np.log(mixed), dtype=np.float32)


def mix_by_entropy(
    start: npt.ArrayLike,
    tuned: npt.ArrayLike,
    temperatures: tuple[float, float] = (1.0, 1.0),
) -> tuple[FloatArray, FloatArray]:
    """An alpha of its own for each image: the surer of the two models counts more.

    The weight of the tuned model is `exp(-H_tuned) / (exp(-H_start) + exp(-H_tuned))` with the
    entropies H of the two outputs (DaWin, Oh et al. 2024, arXiv:2410.03782, which mixes weights by
    it; here outputs are mixed).

    Args:
        start: Logits of the start model, shape (N, K).
        tuned: Logits of the tuned model on the same images, shape (N, K).
        temperatures: What the logits of each model are divided by before the softmax.

    Returns:
        Probabilities (N, K), and the weights of the tuned model (N,), 0 to 1.

    Raises:
        DataError: When the logits are not finite numbers of one shape.
        RecipeError: When a temperature is not above 0.
    """
    first, second = _probabilities(start, tuned, temperatures)
    weights: FloatArray = expit(entr(first).sum(axis=1) - entr(second).sum(axis=1))
    mixed: FloatArray = (1 - weights[:, None]) * first + weights[:, None] * second
    return mixed, weights


def _probabilities(
    start: npt.ArrayLike, tuned: npt.ArrayLike, temperatures: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    first, second = (np.asarray(logits, dtype=np.float64) for logits in (start, tuned))
    if first.ndim != 2 or first.shape[1:] == (0,) or first.shape != second.shape:
        raise DataError(
            f"logits - shapes do not fit - {first.shape} and {second.shape} - give (images, "
            "classes) of both models on the same images"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("logits - not finite - NaN or infinity - check the models")
    if not min(temperatures) > 0:
        raise RecipeError(f"temperatures - out of range - {temperatures} - give numbers above 0")
    return (
        softmax(first / temperatures[0], axis=1),
        softmax(second / temperatures[1], axis=1),
    )
