"""Steps that runs share: what methods are told."""

from pathlib import Path

from adapt.recipe.load import load
from adapt.runs.folder.resume import Resume
from adapt.runs.steps import context_of


def test_what_methods_are_told(tmp_path: Path) -> None:
    recipe = load("quickstart", ["seed=7", "data.balance=sqrt"]).recipe
    told: list[str] = []
    context = context_of(recipe, tmp_path, None, True, told.append)
    assert (context.seed, context.balance, context.folder) == (7, "sqrt", tmp_path)
    assert not context.resume
    assert not context.from_previous
    context.tell("a word")
    assert told == ["a word"]
    again = context_of(recipe, tmp_path, Resume.read(True), True, told.append)
    assert again.resume
