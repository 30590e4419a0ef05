"""Whether two sets of features come from one distribution."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adapt.common.arrays import FloatArray
from adapt.errors import DataError

FEWEST = 5
"""Images of a set below which nothing is tested."""
_BLOCK = 4_000_000


@dataclass(frozen=True)
class TwoSample:
    """The result of `kernel_test`."""

    statistic: float
    """Unbiased estimate of the squared MMD: 0 on average where nothing has changed."""
    p: float
    """Share of permutations with a statistic at least as large, the data among them."""
    bandwidth: float
    """Of the kernel."""


def kernel_test(
    reference: npt.ArrayLike, new: npt.ArrayLike, permutations: int = 999, seed: int = 0
) -> TwoSample:
    """Maximum mean discrepancy with a Gaussian kernel, judged by permutations.

    The bandwidth is the median distance in the joined set. Permutations exchange images between
    the sets, so that the false-alarm rate is the level, whatever the features are.

    Args:
        reference: Features (M, D), M at least 5.
        new: Features (N, D), N at least 5.
        permutations: One more is the number of possible p-values.
        seed: Same seed, same permutations.

    Raises:
        DataError: When the arrays are malformed, or a set has fewer than five images.

    Paper: Gretton et al., A Kernel Two-Sample Test, JMLR 13 (2012).
    """
    first, second = (_rows(name, given) for name, given in (("reference", reference), ("new", new)))
    if first.shape[1] != second.shape[1] or permutations < 1:
        raise DataError(
            f"new - other features than the reference - shape {second.shape} beside {first.shape}, "
            f"{permutations} permutations - give features of one model, and one or more"
        )
    joined = np.concatenate([first, second])
    kernel, bandwidth = _gaussian(joined)
    inside = np.zeros(len(joined))
    inside[: len(first)] = 1
    observed = _statistics(kernel, inside[None])[0]
    generator, above, left = np.random.default_rng(seed), 1, permutations
    while left:
        count = min(left, max(1, _BLOCK // len(joined)))
        drawn = generator.permuted(np.tile(inside, (count, 1)), axis=1)
        # A permutation that gives the data again must count, whatever rounding makes of it.
        above += int((_statistics(kernel, drawn) >= observed - 1e-12).sum())
        left -= count
    return TwoSample(float(observed), above / (permutations + 1), bandwidth)


def _gaussian(rows: FloatArray) -> tuple[FloatArray, float]:
    """The kernel matrix with zeros on its diagonal, and its bandwidth."""
    lengths = (rows * rows).sum(axis=1)
    squares = np.maximum(lengths[:, None] + lengths - 2 * rows @ rows.T, 0)
    upper = squares[np.triu_indices(len(rows), 1)]
    scale = float(np.median(upper))
    if scale <= 0:  # more than half of the pairs are equal
        scale = float(upper.mean()) or 1.0
    kernel: FloatArray = np.exp(-squares / scale)
    np.fill_diagonal(kernel, 0)
    return kernel, float(np.sqrt(scale / 2))


def _statistics(kernel: FloatArray, inside: FloatArray) -> FloatArray:
    """The unbiased statistic of each division of the joined set.

    Args:
        kernel: Shape (T, T), zeros on the diagonal.
        inside: Shape (B, T), 1 for the images that are taken for the reference.
    """
    count = inside[0].sum()
    others, sums = len(kernel) - count, kernel.sum(axis=1)
    within = ((inside @ kernel) * inside).sum(axis=1)
    beside = inside @ sums - within
    rest = sums.sum() - within - 2 * beside
    statistics: FloatArray = (
        within / (count * (count - 1))
        + rest / (others * (others - 1))
        - 2 * beside / (count * others)
    )
    return statistics


def _rows(name: str, given: npt.ArrayLike) -> FloatArray:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 2 or len(values) < FEWEST or not np.isfinite(values).all():
        raise DataError(
            f"{name} - not features of at least {FEWEST} images - shape {values.shape} - give "
            "shape (images, dimensions), finite numbers"
        )
    return values
