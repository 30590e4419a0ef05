"""Rules across sections: own lists of steps, balances, settings of methods."""

from pathlib import Path

import pytest
import torch

from adapt.data.augmentation.pipeline import Augmentation
from adapt.ensembling.settings import Members
from adapt.errors import RecipeError
from adapt.recipe.load import Loaded
from adapt.recipe.load import load as read_recipe
from adapt.training.settings import OF_WHOLE_WEIGHTS, Optim
from tests.data.augmentation.test_steps import PLAIN, photo
from tests.helpers.recipe_cases import GOOD, swap


def load(folder: Path, text: str) -> Loaded:
    """Load a recipe whose folders are there; images are not."""
    from tests.recipe.test_load import SCHEMAS

    path = folder / "recipe.yaml"
    path.write_text(text)
    return read_recipe(path, [], SCHEMAS)


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
        "mixup - out of range - given -1.0 (line 9) - give 0 (off) or more",
        "cutmix - wrong type - given 'x' (line 9) - give a number",
        "class_weights.cat - out of range - given 0.0 (line 9) - give numbers above 0",
        "class_weights.dog - out of range - given -1.0 (line 9) - give numbers above 0",
    ):
        assert f"method.optim.{start}" in str(caught.value)
    with pytest.raises(RecipeError, match="class_weights - not known - given 'atuo'"):
        load(here, GOOD.replace("{epochs: 3}", "{class_weights: atuo}"))


def test_a_probe_before_the_projection_is_not_mixed(here: Path) -> None:
    probe = "method={name: linear_probe, features: penultimate, initialisation: zero}"
    with pytest.raises(RecipeError, match=r"method\.features - has no line to zero-shot"):
        read_recipe("quickstart", [probe])
    assert read_recipe("quickstart", [probe, "ensemble.kind=none"]).method.features == "penultimate"


def with_members(given: str, method: str = "") -> str:
    """The good recipe with members, and perhaps another method."""
    text = swap("select: val}", f"select: val, members: {given}}}")
    return text.replace("{name: lora, rank: 4, optim: {epochs: 3}}", method) if method else text


@pytest.mark.parametrize(("given", "models", "resolved"), [
    ("3", Members(3), 3),
    ("{seeds: 3}", Members(3), {"seeds": 3, "checkpoints": 1}),
    ("{checkpoints: 5}", Members(1, 5), {"seeds": 1, "checkpoints": 5}),
    ("{seeds: 2, checkpoints: 4}", Members(2, 4), {"seeds": 2, "checkpoints": 4}),
])  # fmt: skip
def test_members(here: Path, given: str, models: Members, resolved: object) -> None:
    loaded = load(here, with_members(given))
    assert loaded.recipe.ensemble.models == models
    assert loaded.resolved["ensemble"]["members"] == resolved
    assert load(here, loaded.text()).recipe.ensemble == loaded.recipe.ensemble


@pytest.mark.parametrize(("method", "given", "sentence"), [
    ("", "{checkpoint: 5}", "ensemble.members.checkpoint - unknown key, did you mean 'checkpoin"),
    ("", "{seeds: 0}", "ensemble.members.seeds - out of range - given 0"),
    ("", "{seeds: '2'}", "ensemble.members.seeds - wrong type"),
    ("", "[3]", "ensemble.members - wrong type - given [3] (line 10) - give a whole number or a m"),
    ("{name: zero_shot}", "{checkpoints: 5}",
     "ensemble.members.checkpoints - has no effect on this method - given 5 (line 10) - remove"),
])  # fmt: skip
def test_members_that_do_not_fit(here: Path, method: str, given: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match="1 problem") as caught:
        load(here, with_members(given, method))
    assert sentence in str(caught.value)


def test_checkpoints_do_not_go_with_folds_or_shards_of_weights(here: Path) -> None:
    text = with_members("{checkpoints: 2}")
    with pytest.raises(RecipeError, match=r"ensemble\.members - does not go with folds - given 2"):
        load(here, text.replace("fraction: 0.2", "folds: 3"))
    with pytest.raises(RecipeError, match=r"ensemble\.members - checkpoints do not go with fsdp"):
        load(here, text.replace("devices: 1", "devices: 2, strategy: fsdp"))


@pytest.mark.parametrize("name", OF_WHOLE_WEIGHTS)
def test_what_needs_whole_weights_does_not_go_with_shares_of_them(here: Path, name: str) -> None:
    text = GOOD.replace("{epochs: 3}", f"{{epochs: 3, {name}: 0.5}}")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if name in row)
    load(here, text)
    with pytest.raises(RecipeError, match="1 problem") as caught:
        load(here, text.replace("devices: 1", "devices: 2, strategy: fsdp"))
    assert (
        f"method.optim.{name} - does not go with fsdp - given 0.5 (line {line}) - set method.optim."
        f"{name}=0, or runtime.strategy=ddp: no device has the whole weights"
    ) in str(caught.value)
    load(here, GOOD.replace("devices: 1", "devices: 2, strategy: fsdp"))
