"""Single shifts have the strength and the look they should."""

import numpy as np
import pytest

from adapt.data.shifts.shift import apply_shift
from tests.data.shifts.test_shift import mean_distances, scene


def test_gaussian_noise_has_the_strength_of_the_paper() -> None:
    image = np.full((224, 224, 3), 128, np.uint8)
    for severity, sigma in ((1, 0.08), (3, 0.18)):
        changed = apply_shift(image, "gaussian_noise", severity, 0) / 255
        assert changed.std() == pytest.approx(sigma, rel=0.03)
        assert changed.mean() == pytest.approx(128 / 255, abs=0.01)


def test_impulse_noise_changes_the_share_of_the_paper() -> None:
    image = np.full((224, 224, 3), 128, np.uint8)
    changed = apply_shift(image, "impulse_noise", 5, 0)
    assert set(np.unique(changed)) == {0, 128, 255}
    assert (changed == 0).mean() == pytest.approx(0.135, abs=0.01)
    assert (changed == 255).mean() == pytest.approx(0.135, abs=0.01)


def test_shot_noise_grows_with_light() -> None:
    stds = []
    for value in (50, 150):
        image = np.full((224, 224, 3), value, np.uint8)
        changed = apply_shift(image, "shot_noise", 1, 0) / 255
        stds.append(changed.std())
        assert stds[-1] == pytest.approx(np.sqrt(value / 255 / 60), rel=0.05)


def test_simple_kinds_do_what_they_say() -> None:
    image = scene(3, 64)
    grey = apply_shift(image, "greyscale", 5, 0)
    assert np.ptp(grey.astype(int), axis=2).max() == 0
    assert grey[10, 10, 0] == pytest.approx(image[10, 10] @ [0.299, 0.587, 0.114], abs=1)
    flat = apply_shift(image, "contrast", 5, 0)
    assert flat.std(axis=(0, 1)) == pytest.approx(image.std(axis=(0, 1)) * 0.05, abs=0.4)
    for severity in (1, 5):
        assert apply_shift(image, "brightness", severity, 0).mean() > image.mean()
    blocks = apply_shift(scene(3, 224), "pixelate", 5, 0)
    assert (blocks[::4] == blocks[3::4]).all()
    turned = [apply_shift(image, "rotation", 1, seed) for seed in range(8)]
    assert len({picture.tobytes() for picture in turned}) == 2


def test_jpeg_is_harsher_than_jpeg_compression() -> None:
    for size in (48, 224):
        once, often = mean_distances("jpeg_compression", size), mean_distances("jpeg", size)
        assert all(strong > weak for strong, weak in zip(often, once, strict=True))
