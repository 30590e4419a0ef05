"""Shipped recipes are found by name."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.recipe.load import load as read_recipe
from adapt.recipe.shipped import find_recipe, recipe_names, recipe_summary, recipes_folder
from tests.recipe.test_load import SCHEMAS


def test_missing_file_suggests_names(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = here / "shipped"
    (shipped / "fewshot").mkdir(parents=True)
    (shipped / "quickstart.yaml").write_text("\n# Quick start. \n# More.\nname: x\n")
    (shipped / "fewshot" / "lora.yaml").write_text("name: x\n# late\n")
    monkeypatch.setattr("adapt.recipe.shipped.recipes_folder", lambda: shipped)
    assert recipe_names() == ["fewshot/lora", "quickstart"]
    assert find_recipe("quickstart") == shipped / "quickstart.yaml"
    assert recipe_summary(find_recipe("quickstart")) == "Quick start."
    assert recipe_summary(find_recipe("fewshot/lora")) == ""
    with pytest.raises(RecipeError, match="no such recipe, did you mean 'quickstart'\\? - given"):
        read_recipe("quikstart.yaml", [], SCHEMAS)
    with pytest.raises(RecipeError, match="one of: fewshot/lora, quickstart"):
        find_recipe("../../etc/passwd")
    with pytest.raises(RecipeError, match="is a folder"):
        find_recipe(here)
    assert "${" not in str(recipes_folder())


def test_a_folder_beside_may_have_been_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    for given, meant in (("photso", "photos"), ("quickstrat", "quickstart")):
        with pytest.raises(RecipeError, match=f"did you mean '{meant}'"):
            find_recipe(given)
