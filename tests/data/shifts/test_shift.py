"""Shifts keep shape and type, repeat by seed, and grow with severity at every picture size."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from adapt.data.shifts.shift import SHIFTS, Shift, apply_shift, shift_seed
from adapt.data.shifts.tools import (
    shift,
)
from adapt.errors import DataError, RecipeError

IMAGENET_C = [
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
]
EXTRA = ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
OWN = ["rotation", "greyscale", "jpeg"]
FIXED = {
    "defocus_blur",
    "gaussian_blur",
    "zoom_blur",
    "brightness",
    "contrast",
    "saturate",
    "pixelate",
    "jpeg_compression",
    "greyscale",
}


NOT_RISING = {"glass_blur", "fog", "elastic_transform", "spatter", "saturate", "frost", "snow"}
"""The constants of the paper change what is done, or the order of strength, between severities."""


@cache
def scene(seed: int, size: int) -> np.ndarray:
    """Sky, ground and coloured things with texture: smooth areas, edges and grain."""
    generator = np.random.default_rng(seed)
    rows = np.linspace(0, 1, 224)[:, None, None]
    top, bottom = generator.uniform(40, 200, (2, 3))
    image = (np.ones((224, 224, 1)) * (top * (1 - rows) + bottom * rows)).astype(np.float32)
    image += (
        40
        * cv2.resize(generator.normal(size=(28, 28, 1)).astype(np.float32), (224, 224))[..., None]
    )
    for _ in range(14):
        centre = tuple(int(value) for value in generator.integers(0, 224, 2))
        axes = tuple(int(value) for value in generator.integers(6, 45, 2))
        colour = tuple(float(value) for value in generator.uniform(0, 255, 3))
        turn = float(generator.uniform(0, 180))
        cv2.ellipse(image, centre, axes, turn, 0, 360, colour, -1, cv2.LINE_AA)
    pixels = np.clip(image + generator.normal(size=image.shape) * 6, 0, 255).astype(np.uint8)
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
    resized.setflags(write=False)
    return resized


def distance(image: np.ndarray, changed: np.ndarray) -> float:
    return float(np.abs(image.astype(int) - changed).mean())


def mean_distances(kind: str, size: int) -> list[float]:
    scenes = [scene(index, size) for index in range(4)]
    return [
        float(np.mean([distance(image, apply_shift(image, kind, severity, 1)) for image in scenes]))
        for severity in range(1, 6)
    ]


def test_all_kinds_are_there() -> None:
    assert set(SHIFTS) == {*IMAGENET_C, *EXTRA, *OWN}


@pytest.mark.parametrize("kind", SHIFTS)
def test_type_shape_and_seed(kind: str) -> None:
    image = scene(0, 96)[:, :70]
    before = image.copy()
    changed = apply_shift(image, kind, 3, seed=5)
    assert (changed.dtype, changed.shape) == (np.uint8, image.shape)
    np.testing.assert_array_equal(image, before)
    assert distance(image, changed) > 1
    np.testing.assert_array_equal(changed, apply_shift(image.copy(), kind, 3, seed=5))
    others = [apply_shift(image, kind, 3, seed=seed) for seed in range(8)]
    same = all((other == changed).all() for other in others)
    assert same == (kind in FIXED)


@pytest.mark.parametrize("size", [48, 224])
@pytest.mark.parametrize("kind", SHIFTS)
def test_distance_grows_with_severity(kind: str, size: int) -> None:
    distances = mean_distances(kind, size)
    assert distances[0] > 0.5
    if kind in NOT_RISING:
        return
    if kind in ("rotation", "pixelate"):
        # Past 45 degrees a picture is no less like the original; blocks of 1.7 pixels alias more
        # than blocks of 2.
        assert distances[4] > distances[1]
        assert distances[2] > distances[0]
    else:
        assert distances == sorted(distances)
    assert distances[4] > 1.2 * distances[0]


@pytest.mark.parametrize("kind", [*IMAGENET_C, *EXTRA])
def test_pictures_change_as_much_as_by_the_reference(kind: str) -> None:
    """`make_imagenet_c.py` of hendrycks/robustness gave these mean changes of the four scenes."""
    path = Path(__file__).with_name("imagenet_c.json")
    expected = json.loads(path.read_text(encoding="utf-8"))[kind]
    draws, tolerance = (1, 0.06) if kind in FIXED or kind.endswith("noise") else (4, 0.15)
    for severity in range(1, 6):
        changes = [
            distance(scene(index, 224), apply_shift(scene(index, 224), kind, severity, seed))
            for index in range(4)
            for seed in range(index * 10, index * 10 + draws)
        ]
        assert np.mean(changes) == pytest.approx(expected[severity - 1], rel=tolerance), severity


@pytest.mark.parametrize("kind", SHIFTS)
def test_large_pictures_are_shifted_as_much_as_seen_after_resizing(kind: str) -> None:
    """The model sees 224 pixels: a picture four times as large must not be shifted less."""
    small = scene(1, 224)
    large = cv2.resize(small, (896, 896), interpolation=cv2.INTER_CUBIC)
    seen = cv2.resize(apply_shift(large, kind, 4, 0), (224, 224), interpolation=cv2.INTER_AREA)
    after = distance(cv2.resize(large, (224, 224), interpolation=cv2.INTER_AREA), seen)
    assert 0.55 < after / distance(small, apply_shift(small, kind, 4, 0)) < 1.6


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 3), (7, 5), (9, 300)])
@pytest.mark.parametrize("kind", SHIFTS)
def test_tiny_and_plain_pictures(kind: str, shape: tuple[int, int]) -> None:
    for value in (0, 128, 255):
        image = np.full((*shape, 3), value, np.uint8)
        for severity in (1, 5):
            changed = apply_shift(image, kind, severity, 0)
            assert (changed.dtype, changed.shape) == (np.uint8, image.shape)


@pytest.mark.parametrize(
    "kind",
    [
        "gaussian_blur",
        "defocus_blur",
        "glass_blur",
        "motion_blur",
        "zoom_blur",
        "contrast",
        "elastic_transform",
        "pixelate",
        "rotation",
        "greyscale",
    ],
)
def test_plain_grey_stays_plain_grey(kind: str) -> None:
    """Averages and moves keep one colour: kernels sum to 1 and borders are not black."""
    image = np.full((60, 80, 3), 90, np.uint8)
    for severity in range(1, 6):
        np.testing.assert_allclose(apply_shift(image, kind, severity, 3), image, atol=1)


def test_views_and_read_only_pictures_are_taken() -> None:
    image = scene(2, 64)[::-1, ::2, ::-1]
    for kind in SHIFTS:
        expected = apply_shift(np.ascontiguousarray(image), kind, 2, 0)
        np.testing.assert_array_equal(apply_shift(image, kind, 2, 0), expected)


def test_noise_of_two_kinds_is_not_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((32, 32, 3), 128, np.uint8)
    monkeypatch.setitem(SHIFTS, "twin", SHIFTS["gaussian_noise"])
    one, other = (apply_shift(image, kind, 5, 0) for kind in ("gaussian_noise", "twin"))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_seed_of_a_name_is_stable() -> None:
    assert shift_seed("cat.jpg") != shift_seed("cat.jpeg")
    assert 0 <= shift_seed("") < 2**63
    code = "from adapt.data.shifts.shift import shift_seed; print(shift_seed('häuser/1.png'))"
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(printed) == shift_seed("häuser/1.png")


def test_shift_is_checked() -> None:
    assert Shift("fog", 5) == Shift(kind="fog", severity=5)
    with pytest.raises(
        RecipeError, match=r"'gausian_noise', did you mean 'gaussian_noise'.*zoom_blur"
    ):
        Shift("gausian_noise", 1)
    for severity in (0, 6, 2.0, True, "3", None):
        with pytest.raises(RecipeError, match="severity"):
            Shift("fog", severity)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        [[[0, 0, 0]]],
    ],
)
def test_wrong_pictures_are_refused(image: Any) -> None:
    with pytest.raises(DataError, match="RGB bytes"):
        apply_shift(image, "fog", 1, 0)


def test_wrong_seed_and_second_registration_are_refused() -> None:
    with pytest.raises(DataError, match="negative"):
        apply_shift(scene(0, 48), "fog", 1, -1)
    with pytest.raises(KeyError, match="twice"):
        shift("fog")(lambda image, severity, generator: image)
