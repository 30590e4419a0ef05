"""What must be the same for a run to go on."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapt.errors import RecipeError, RunError
from adapt.runs.folder.resume import Resume, compare, differences, read_environment, record

NOW = {"adapt": "1.0", "code": "aa", "packages": {"torch": "2.8"}}
RECIPE: dict[str, Any] = {
    "seed": 0,
    "data": {"train": {"kind": "folder", "root": "a"}},
    "evals": {"test": {"kind": "folder", "root": "b"}},
    "runtime": {"workers": "auto", "precision": "32", "loggers": None},
    "report": {"formats": ["html"]},
}


def begun(folder: Path) -> Path:
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    record(folder, NOW, [], resumed=False)
    return folder


def changed(**sections: Any) -> dict[str, Any]:
    return {**RECIPE, **{name: {**RECIPE[name], **new} for name, new in sections.items()}}


def test_what_may_change_is_told(tmp_path: Path) -> None:
    assert compare(tmp_path, RECIPE, NOW) == [], "nothing there to compare with"
    begun(tmp_path)
    assert compare(tmp_path, RECIPE, NOW) == []
    new = changed(
        runtime={"workers": "2", "loggers": ["wandb"]},
        report={"formats": []},
        evals={"test": {"kind": "folder", "root": "c"}},
    )
    later = {"adapt": "1.0", "code": "bb", "packages": {"torch": "2.9"}}
    assert set(compare(tmp_path, new, later)) == {
        "resumed with a change: " + sentence
        for sentence in (
            "runtime.workers was auto, is 2",
            "runtime.loggers was nothing, is ['wandb']",
            "report.formats was ['html'], is []",
            "evals.test.root was b, is c",
            "the source code of adapt has changed, its version has not",
            "package torch was 2.8, is 2.9",
        )
    }


@pytest.mark.parametrize(("new", "sentence"), [
    ({**RECIPE, "seed": 1}, "seed was 0, is 1"),
    (changed(runtime={"precision": "bf16-mixed"}), "runtime.precision was 32, is bf16-mixed"),
    (changed(data={"train": {"kind": "table", "root": "a"}}), "data.train.kind was folder"),
    (changed(evals={"more": {"root": "c"}}), "evals.more was nothing, is"),
    ({name: value for name, value in RECIPE.items() if name != "seed"}, "seed was 0, is nothing"),
])  # fmt: skip
def test_what_may_not_change_is_refused(new: Any, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="1 differs from the beginning") as caught:
        compare(begun(tmp_path), new, NOW)
    assert sentence in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name in ("recipe.yaml", "environment.json"):
        begun(tmp_path)
        for text in ("[", "5", "\x00"):
            (tmp_path / name).write_text(text)
            with pytest.raises(RunError, match=f"{name} - cannot be read"):
                compare(tmp_path, RECIPE, NOW)


def test_each_resume_is_recorded(tmp_path: Path) -> None:
    begun(tmp_path)
    for changes in (["first"], []):
        record(tmp_path, NOW, changes, resumed=True)
    content = json.loads((tmp_path / "environment.json").read_text())
    assert [entry["changes"] for entry in content["resumed"]] == [["first"], []]
    assert read_environment(tmp_path)["adapt"] == "1.0"


def test_words_for_a_resume_alone() -> None:
    assert Resume.read(False) is None
    assert Resume.read(True, from_previous=True) == Resume(from_previous=True)
    with pytest.raises(RecipeError, match="--from-previous - only for a run that goes on"):
        Resume.read(False, from_previous=True)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
trees = st.recursive(leaves, lambda inner: st.dictionaries(st.sampled_from("abc"), inner))


@given(trees, trees)
def test_only_equal_settings_have_no_differences(first: Any, second: Any) -> None:
    assert not list(differences(first, first))
    # Only a value of "nothing" itself cannot be told from a key that is not there.
    told = list(differences(first, second))
    assert bool(told) == (first != second) or "nothing" in f"{first}{second}"


def test_there_must_be_a_run_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="nothing to go on with - no run was begun there"):
        Resume().check(tmp_path)
    Resume(auto=True).check(tmp_path)
    (tmp_path / "ledger.json").write_text("{}")  # killed at its first files
    Resume().check(tmp_path)
    assert Resume.read(False, auto=True, from_previous=True) == Resume(False, True, auto=True)
