"""Kernels and fields that the shifts are made of."""

import numpy as np
import pytest

from adapt.data.shifts.tools import (
    at_reference_size,
    cloud,
    disk_kernel,
    displace,
    motion_kernel,
    scale_of,
)
from tests.data.shifts.test_shift import scene


def test_kernels_sum_to_one_and_point_the_right_way() -> None:
    for radius in (0.3, 1, 3.3, 10):
        assert disk_kernel(radius).sum() == pytest.approx(1, abs=1e-5)
    kernel = motion_kernel(5, 3, 0)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel[6, 6:].sum() == pytest.approx(1, abs=1e-5)
    assert motion_kernel(5, 3, 90)[6:, 6].sum() == pytest.approx(1, abs=1e-5)


def test_tools() -> None:
    assert scale_of((10, 1000)) == scale_of((48, 48)) == pytest.approx(1 / 3)
    image = scene(0, 64).astype(np.float32)
    zero = np.zeros((64, 64), np.float32)
    np.testing.assert_array_equal(displace(image, zero, zero), image)
    np.testing.assert_allclose(displace(image, zero + 2, zero)[:-2], image[2:], atol=1e-3)
    field = cloud((30, 20), 2.0, np.random.default_rng(0))
    assert (field.min(), field.max()) == (0, 1)
    large = np.zeros((450, 500, 3), np.float32)
    seen = []
    at_reference_size(large, lambda small: seen.append(small.shape) or small)
    assert seen == [(225, 250, 3)]
