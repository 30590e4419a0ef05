"""The evaluation transform is open_clip's own, to the last bit."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import RecipeError

MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
SIZES = [(64, 64), (200, 90), (33, 150), (20, 31), (65, 64), (301, 299), (5, 7), (70, 64)]


def noise(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    ("mode", "fill"), [("shortest", 0), ("squash", 0), ("longest", 0), ("longest", 128)]
)
def test_bit_equal_to_open_clip(interpolation: str, mode: str, fill: int) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    settings = {"interpolation": interpolation, "resize_mode": mode, "fill_color": fill}
    ours = Preprocessing(64, MEAN, STD, **settings)
    theirs = image_transform_v2(
        PreprocessCfg(64, "RGB", tuple(MEAN), tuple(STD), **settings), False
    )
    for size in SIZES:
        image = noise(*size)
        expected = theirs(image)
        found = ours(image)
        assert found.dtype == torch.float32
        assert torch.equal(found, expected), size


@pytest.mark.parametrize("mode", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (20000, 2)])
def test_extreme_shapes(mode: str, size: tuple[int, int]) -> None:
    assert Preprocessing(32, MEAN, STD, resize_mode=mode)(noise(*size)).shape == (3, 32, 32)


def test_exact_numbers() -> None:
    found = Preprocessing(2, [0.5, 0, 0], [0.5, 1, 2])(Image.new("RGB", (4, 4), (255, 51, 0)))
    assert found[:, 0, 0].tolist() == pytest.approx([1.0, 0.2, 0.0])


@pytest.mark.numerical
def test_round_trip() -> None:
    settings = Preprocessing(48, MEAN, STD, "bilinear", "squash", 7)
    assert Preprocessing.from_dict(settings.to_dict()) == settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert list(settings.to_dict()) == [
        "size",
        "mean",
        "std",
        "interpolation",
        "resize_mode",
        "fill_color",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "preprocessing.size - out of range - 0"),
        ({"mean": [0.5]}, "preprocessing.mean - out of range"),
        ({"std": [1, 0, 1]}, "preprocessing.std - out of range"),
        ({"interpolation": "cubic"}, "preprocessing.interpolation - out of range - 'cubic'"),
        ({"resize_mode": "crop"}, "choose one of shortest, squash, longest"),
        ({"fill_color": 300}, "preprocessing.fill_color - out of range - 300"),
        ({"colour": 1}, "preprocessing - unknown field - 'colour'"),
    ],
)
def test_refusals(change: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Preprocessing.from_dict({"size": 8, "mean": MEAN, "std": STD, **change})
    with pytest.raises(RecipeError, match=r"preprocessing\.std - missing"):
        Preprocessing.from_dict({"size": 8, "mean": MEAN})
