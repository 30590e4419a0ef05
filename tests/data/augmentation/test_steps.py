"""Own lists of steps: what is wrong is said before an image is read, what is right is drawn."""

import inspect
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.augmentation.policies import POLICIES
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
from adapt.recipe.load import Loaded
from adapt.recipe.load import load as read_recipe
from adapt.training.settings import Optim
from tests.helpers.recipe_cases import GOOD, swap

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


def test_an_own_list_can_say_what_a_policy_says() -> None:
    for policy in POLICIES:
        if policy != "none":
            own = Augmentation(POLICIES[policy].steps(32), PLAIN)
            named = Augmentation(policy, PLAIN)
            for seed in range(4):
                assert torch.equal(own(photo(), seed), named(photo(), seed))


def test_policies_have_one_line_of_reason() -> None:
    reasons = [policy.reason for policy in POLICIES.values()]
    assert len(set(reasons)) == len(reasons)
    assert all(20 < len(reason) < 160 and "\n" not in reason for reason in reasons)


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


def load(folder: Path, text: str) -> Loaded:
    """Load a recipe whose folders are there; images are not."""
    from tests.recipe.test_load import SCHEMAS

    path = folder / "recipe.yaml"
    path.write_text(text)
    return read_recipe(path, [], SCHEMAS)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("photos", "tests"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


OWN = "[{name: RandomResizedCrop, scale: [0.5, 1.0]}, {name: HorizontalFlip, p: 0.3}]"


def test_recipe_resolves_a_list_with_all_arguments(here: Path) -> None:
    loaded = load(here, swap("  val:", f"  augmentation: {OWN}\n  balance: sqrt\n  val:"))
    crop, flip = loaded.recipe.data.augmentation
    assert flip == {"name": "HorizontalFlip", "p": 0.3}
    assert (crop["scale"], crop["interpolation"]) == ([0.5, 1.0], "cubic")
    assert loaded.resolved["data"]["augmentation"] == [crop, flip]
    assert loaded.resolved["data"]["balance"] == "sqrt"
    assert load(here, loaded.text()).resolved == loaded.resolved
    drawn, given = (
        Augmentation([crop, flip], PLAIN),
        Augmentation([{"name": "RandomResizedCrop", "scale": [0.5, 1.0]}, flip], PLAIN),
    )
    assert torch.equal(drawn(photo(), 5), given(photo(), 5))


def test_recipe_lists_every_mistake_of_a_list(here: Path) -> None:
    steps = (
        "[{name: RandomResizedCrop, scal: 1, ratio: [2, 1]}, {name: HorizontalFip}, {p: 1}, flip, "
        "{name: Rotate, limit: '3', p: .inf, border_mode: abc}, {name: 3}]"
    )
    with pytest.raises(RecipeError) as caught:
        load(here, swap("  val:", f"  augmentation: {steps}\n  balance: even\n  val:"))
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("10 problems"), lines
    starts = [
        "balance - not known - given 'even' (line 9) - choose one of none, uniform, sqrt",
        "augmentation[0].scal - unknown argument, did you mean 'scale'? - given 1 (line 8) - known",
        "augmentation[0].ratio - out of range (first value",
        "augmentation[1].name - not a transform, did you mean 'HorizontalFlip'? - given",
        "augmentation[2].name - missing - given nothing - choose one of Affine",
        "augmentation[3] - wrong type - given 'flip' (line 8) - give a mapping",
        "augmentation[4].limit - wrong type - given '3' (line 8) - give a list of 2 numbers or a n",
        "augmentation[4].p - not a finite number - given inf (line 8)",
        "augmentation[4].border_mode - not known - given 'abc' (line 8) - choose one of constant",
        "augmentation[5].name - not a transform - given 3 (line 8)",
    ]
    for start in starts:
        assert any(line.strip().startswith(f"data.{start}") for line in lines), (start, lines)


def test_recipe_takes_no_code_and_no_empty_list(here: Path) -> None:
    with pytest.raises(RecipeError, match=r"data.augmentation - empty - given \[\] \(line 8\)"):
        load(here, swap("  val:", "  augmentation: []\n  val:"))
    code = "[{name: Resize, _target_: os.system}]"
    with pytest.raises(RecipeError, match="_target_ - refused"):
        load(here, swap("  val:", f"  augmentation: {code}\n  val:"))


def test_balance_is_refused_where_the_method_has_no_setting_for_it(here: Path) -> None:
    text = GOOD.replace("  val:", "  balance: uniform\n  val:")
    assert load(here, text).recipe.data.balance == "uniform"
    frozen = text.replace("{name: lora, rank: 4, optim: {epochs: 3}}", "{name: zero_shot}")
    with pytest.raises(RecipeError, match=r"data\.balance - has no effect on this method - "):
        load(here, frozen)


def test_optim_settings_of_a_recipe(here: Path) -> None:
    optim = "{epochs: 3, mixup: 0.2, cutmix: 1, class_weights: {cat: 2, dog: 0.5}}"
    loaded = load(here, GOOD.replace("{epochs: 3}", optim))
    assert loaded.method.optim == Optim(
        5e-4, 3, mixup=0.2, cutmix=1.0, class_weights={"cat": 2.0, "dog": 0.5}
    )
    assert load(here, loaded.text()).resolved == loaded.resolved
    wrong = "{mixup: -1, cutmix: x, class_weights: {cat: 0, dog: -1}}"
    with pytest.raises(RecipeError) as caught:
        load(here, GOOD.replace("{epochs: 3}", wrong))
    for start in (
        "mixup - out of range - given -1.0 (line 9) - give 0 (off) or an alpha",
        "cutmix - wrong type - given 'x' (line 9) - give a number",
        "class_weights.cat - out of range - given 0.0 (line 9) - give numbers above 0",
        "class_weights.dog - out of range - given -1.0 (line 9) - give numbers above 0",
    ):
        assert f"method.optim.{start}" in str(caught.value)
    with pytest.raises(RecipeError, match="class_weights - not known - given 'atuo'"):
        load(here, GOOD.replace("{epochs: 3}", "{class_weights: atuo}"))
