"""Own lists of steps: what is wrong is said before an image is read, what is right is drawn."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.steps import (
    ALLOWED,
    HIDDEN,
    SIZED,
    complete,
    full_step,
    step_defaults,
    step_problems,
)
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.errors import RecipeError

PLAIN = Preprocessing(32, [0.2, 0.4, 0.6], [1, 1, 1])
SURE = {"p": 1.0}


def photo(width: int = 80, height: int = 60) -> Image.Image:
    random = np.random.default_rng(3)
    small = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def step(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, **({} if name in SIZED else SURE), **arguments}


@pytest.mark.parametrize("name", ALLOWED)
def test_every_transform_keeps_the_rules(name: str) -> None:
    """Model size, seeds decide alone, nothing is warned of, and something changes."""
    resize = [] if name in SIZED else [{"name": "Resize"}]
    augment = Augmentation([*resize, step(name)], PLAIN)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        views = [augment(photo(), seed) for seed in range(8)]
    assert all(view.shape == (3, 32, 32) and view.dtype == torch.float32 for view in views)
    assert all(torch.isfinite(view).all() for view in views)
    again = Augmentation([*resize, step(name)], PLAIN)
    for seed in reversed(range(8)):
        assert torch.equal(again(photo(), seed), views[seed])
    plain = Augmentation([{"name": "Resize"}], PLAIN)(photo(), 0)
    changed = sum(not torch.equal(view, plain) for view in views)
    # By its defaults Affine moves nothing.
    assert changed >= 1 or name in ("Resize", "Affine")
    before = Augmentation([step(name), {"name": "Resize"}], PLAIN)
    assert before(photo(), 1).shape == (3, 32, 32)


@pytest.mark.parametrize("name", ALLOWED)
def test_schemas_have_every_argument_but_the_hidden(name: str) -> None:
    known = set(inspect.signature(getattr(A, name).__init__).parameters) - {"self"}
    assert set(step_defaults(name)) == known - HIDDEN - ({"p"} if name in SIZED else set())
    assert step_problems([full_step({"name": name})]) == []
    assert step_problems([{"name": name}]) == []


WRONG: list[tuple[dict[str, Any], Sequence[str]]] = [
    ({"name": "HorizontalFip"}, ["[0].name - not a transform, did you mean 'HorizontalFlip'? - "]),
    ({"p": 1}, ["[0].name - missing - nothing - choose one of Affine,"]),
    ({"name": "Lambda"}, ["[0].name - not a transform"]),
    ({"name": "HorizontalFlip", "prob": 1}, ["[0].prob - unknown argument"]),
    ({"name": "Rotate", "limits": 1}, ["[0].limits - unknown argument, did you mean 'limit'? - 1"]),
    ({"name": "HorizontalFlip", "p": "0.5"}, ["[0].p - wrong type - '0.5' - give a number"]),
    ({"name": "HorizontalFlip", "p": True}, ["[0].p - wrong type - True - give a number"]),
    ({"name": "HorizontalFlip", "p": 2}, ["[0].p - out of range (input should be less than or"]),
    (
        {"name": "ColorJitter", "hue": [-1, 1], "brightness": [0.5], "p": -1},
        ["[0].hue - out of range", "[0].brightness - wrong type - [0.5]", "[0].p - out of range"],
    ),
    ({"name": "RandomResizedCrop", "scale": [0.9, 0.2]}, ["[0].scale - out of range (first value"]),
    ({"name": "RandomResizedCrop", "p": 0.5}, ["[0].p - unknown argument - 0.5 - known: area"]),
    ({"name": "RandomResizedCrop", "size": [9, 9]}, ["[0].size - unknown argument"]),
    ({"name": "Rotate", "crop_border": True}, ["[0].crop_border - unknown argument"]),
    ({"name": "Rotate", "border_mode": 4}, ["[0].border_mode - not known - 4 - choose one of con"]),
    ({"name": "CoarseDropout", "fill": "men"}, ["[0].fill - wrong type - 'men' - give mean, a l"]),
    ({"name": "ImageCompression", "compression_type": "png"}, ["[0].compression_type - not known"]),
    # These albumentations only warns of, or adjusts.
    ({"name": "MotionBlur", "blur_limit": 4}, ["[0].name - blur_limit: Non-zero kernel sizes mu"]),
    ({"name": "Affine", "translate_px": 2, "translate_percent": 0.1}, ["[0].name - out of range"]),
]


@pytest.mark.parametrize(("wrong", "starts"), WRONG, ids=[str(case[0])[:60] for case in WRONG])
def test_says_what_is_wrong(wrong: dict[str, Any], starts: Sequence[str]) -> None:
    found = step_problems([wrong])
    assert len(found) == len(starts), found
    for start in starts:
        assert any(line.startswith(f"augmentation{start}") for line in found), (start, found)
    assert all(line.count(" - ") == 3 for line in found)
    with pytest.raises(RecipeError) as caught:
        Augmentation([{"name": "Resize"}, wrong], PLAIN)
    assert str(caught.value).replace("[1]", "[0]") == "\n".join(found)


def test_size_is_added_and_said() -> None:
    flip = [{"name": "HorizontalFlip", "p": 0.5}]
    augment = Augmentation(flip, PLAIN)
    assert augment.note.startswith("augmentation: no step brings images to the model's size, so a")
    assert [one["name"] for one in augment.steps] == ["RandomResizedCrop", "HorizontalFlip"]
    explicit = Augmentation([{"name": "RandomResizedCrop", "scale": [0.9, 1.0]}, *flip], PLAIN)
    assert explicit.note == ""
    for seed in range(5):
        assert torch.equal(augment(photo(), seed), explicit(photo(), seed))
    assert Augmentation("strong", PLAIN).note == ""
    for name in SIZED:
        assert complete([*flip, {"name": name}])[1] == ""
    with pytest.raises(RecipeError, match="augmentation - empty - "):
        Augmentation([], PLAIN)


def test_words_and_mean_fill_reach_albumentations() -> None:
    steps = [
        {"name": "Resize", "interpolation": "nearest", "area_for_downscale": None},
        {"name": "Rotate", "limit": [90, 90], "border_mode": "wrap", "p": 1},
        {"name": "CoarseDropout", "p": 1},
    ]
    resize, rotate, hole = Augmentation(steps, PLAIN).compose.transforms
    assert (resize.height, resize.width, resize.interpolation) == (32, 32, 0)
    assert rotate.border_mode == 3
    assert hole.fill == (51.0, 102.0, 153.0)
