"""YAML types, anchors and references of recipes."""

from pathlib import Path

from tests.helpers.recipe_cases import TRAIN, swap
from tests.recipe.test_load import load


def test_references(here: Path) -> None:
    text = swap("openai", "'runs/${name}/${seed}'", "alphas: 11", "alphas: '${data.train.shots}'")
    recipe = load(text, "name=other").recipe
    assert recipe.model.pretrained == "runs/other/0"
    assert recipe.ensemble.alphas == 16


def test_yaml_types_are_those_of_yaml_1_2(here: Path) -> None:
    text = swap("epochs: 3", "lr: 5e-4", "openai", "no", "ViT-B-32", "2024-01-01")
    loaded = load(text)
    assert (loaded.method.optim.lr, loaded.recipe.model.pretrained) == (5e-4, "no")
    assert loaded.recipe.model.arch == "2024-01-01"


def test_anchors_may_share_values(here: Path) -> None:
    text = swap(TRAIN, "&a {kind: folder, root: photos}", "{kind: folder, root: tests}", "*a")
    assert load(text).recipe.evals["test"] == load(text).recipe.data.train
