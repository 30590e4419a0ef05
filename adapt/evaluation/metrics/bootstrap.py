"""Uncertainty by resampling images with replacement (the percentile bootstrap of Efron, 1979)."""

from collections.abc import Iterator
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError

# Numbers held at once; bounds memory to tens of MB. Part of the seeded result: do not tune lightly.
_BLOCK = 2_000_000


class PairedDifference(TypedDict):
    """What `paired_difference` returns; both values are ``None`` on zero images."""

    difference: float | None
    ci: list[float] | None


def resampling_indices(images: int, samples: int = 1000, seed: int = 0) -> Iterator[IntArray]:
    """Draw which images are in each bootstrap sample, block by block.

    Args:
        images: Number of images N, at least 1.
        samples: Number of bootstrap samples, at least 1.
        seed: Same seed, same indices.

    Yields:
        Blocks of shape (samples in the block, N) with values in 0 .. N-1.

    Raises:
        DataError: When there is nothing to resample.
    """
    if images < 1 or samples < 1:
        raise DataError(
            f"bootstrap - nothing to resample - images={images}, samples={samples} - give at least "
            "one image and one sample"
        )
    generator = np.random.default_rng(seed)
    block = max(1, _BLOCK // images)
    for start in range(0, samples, block):
        yield generator.integers(0, images, size=(min(block, samples - start), images))


def resampling_counts(images: int, samples: int = 1000, seed: int = 0) -> Iterator[FloatArray]:
    """Count how often each image is drawn, from the indices of `resampling_indices`.

    With counts, the statistics of all samples are one matrix product: ``counts @ values / N`` is
    the mean of ``values`` in each sample.

    Args:
        images: Number of images N, at least 1.
        samples: Number of bootstrap samples, at least 1.
        seed: Same seed, same counts.

    Yields:
        Blocks of shape (samples in the block, N); each row sums to N.

    Raises:
        DataError: When there is nothing to resample.

    >>> [block.sum(axis=1).tolist() for block in resampling_counts(images=4, samples=2)]
    [[4.0, 4.0]]
    """
    for indices in resampling_indices(images, samples, seed):
        # One count over all rows at once: row r counts in the places images * r and after.
        offsets = indices + images * np.arange(len(indices))[:, None]
        counts = np.bincount(offsets.ravel(), minlength=indices.size)
        yield counts.reshape(indices.shape).astype(np.float64)


def percentile_interval(values: npt.ArrayLike, level: float = 0.95) -> list[float]:
    """Central interval that holds ``level`` of the bootstrap values.

    Args:
        values: Shape (samples,), one statistic per bootstrap sample.
        level: Fraction of the values inside, between 0 and 1 (exclusive).

    Returns:
        ``[low, high]`` in the unit of the values.

    Raises:
        DataError: When there are no values, one is not finite, or the level is impossible.

    >>> [round(bound, 3) for bound in percentile_interval(range(101), level=0.9)]
    [5.0, 95.0]
    """
    checked = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1 or checked.size == 0 or not np.isfinite(checked).all():
        raise DataError(
            f"values - not a list of finite numbers - shape {checked.shape} - give one finite "
            "statistic per bootstrap sample"
        )
    if not 0 < level < 1:
        raise DataError(f"level - not between 0 and 1 - {level} - give 0.95 for a 95 % interval")
    low, high = np.quantile(checked, [(1 - level) / 2, (1 + level) / 2])
    return [float(low), float(high)]


def paired_difference(
    correct_a: npt.ArrayLike, correct_b: npt.ArrayLike, samples: int = 1000, seed: int = 0
) -> PairedDifference:
    """Accuracy of A minus accuracy of B on the same images, with a 95 % interval.

    Both models are resampled with the same images, so that what makes an image hard for both
    cancels out: the interval is narrower than what two separate intervals suggest.

    Args:
        correct_a: Shape (N,), 1 where model A is right and 0 where not (or any score per image).
        correct_b: Shape (N,), the same for model B, same images in the same order.
        samples: Number of bootstrap samples.
        seed: Same seed, same interval.

    Returns:
        ``{"difference", "ci"}``, both in the unit of the inputs, positive where A is better; both
        ``None`` on zero images.

    Raises:
        DataError: When the shapes differ or a value is not finite.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (correct_a, correct_b))
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"correct_a, correct_b - not paired - shapes {first.shape} and {second.shape} - give "
            "one value per image for both models"
        )
    gain: np.ndarray[Any, np.dtype[np.float64]] = first - second
    if not np.isfinite(gain).all():
        raise DataError(
            "correct_a, correct_b - not finite - NaN or infinity - give 0 or 1 per image"
        )
    if gain.size == 0:
        return PairedDifference(difference=None, ci=None)
    means = [counts @ gain / gain.size for counts in resampling_counts(gain.size, samples, seed)]
    return PairedDifference(
        difference=float(gain.mean()), ci=percentile_interval(np.concatenate(means))
    )
