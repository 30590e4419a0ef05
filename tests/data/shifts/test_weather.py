"""Weather looks like weather: snow whitens, frost is bluish, fog takes contrast."""

import numpy as np
import pytest

from adapt.data.shifts.shift import apply_shift


def shifted(kind: str, level: int, severity: int = 5, size: int = 96) -> np.ndarray:
    grey = np.full((size, size, 3), level, dtype=np.uint8)
    return apply_shift(grey, kind, severity, seed=3).astype(float)


@pytest.mark.parametrize("kind", ["snow", "frost"])
def test_dark_pictures_get_brighter_with_severity(kind: str) -> None:
    means = [shifted(kind, 40, severity).mean() for severity in (1, 3, 5)]
    assert 40 < means[0] < means[1] < means[2]


def test_frost_is_bluish_and_thickest_at_the_edges() -> None:
    ice = shifted("frost", 40)
    red, _, blue = ice.mean(axis=(0, 1))
    assert blue > red + 1
    edge = np.ones((96, 96), dtype=bool)
    edge[24:-24, 24:-24] = False
    assert ice[edge].mean() > ice[~edge].mean()


def test_fog_takes_contrast_and_never_outshines_the_picture() -> None:
    halves = np.zeros((96, 96, 3), dtype=np.uint8)
    halves[:, 48:] = 200
    contrasts = []
    for severity in (1, 3, 5):
        foggy = apply_shift(halves, "fog", severity, seed=3).astype(float)
        contrasts.append(foggy[:, 48:].mean() - foggy[:, :48].mean())
        assert foggy.max() <= 201
    assert 200 > contrasts[0] > contrasts[1] > contrasts[2] > 0
