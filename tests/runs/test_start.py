"""Where a run starts: sentences of a file, weights and searches, and where they are written."""

import json
from pathlib import Path

import pytest

from adapt.errors import DataError, RecipeError
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from adapt.runs.plan import plan
from adapt.runs.run import run
from adapt.runs.soup import RunFolder, start_of

RECIPE = """
version: 1
name: prompts
model: {arch: test-tiny-vit, pretrained: random, templates: ["a {}", "the {}"]}
data: {train: {kind: folder, root: ROOT/train}, val: {kind: folder, root: ROOT/val}}
method: {name: gda}
evals: {test: {kind: folder, root: ROOT/test}}
few_shot: {shots: [2], seeds: 2}
report: {formats: [md]}
runtime: {accelerator: cpu, precision: "32", workers: "0"}
"""


@pytest.fixture
def recipe(tmp_path: Path, toy_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.replace("ROOT", str(toy_root)))
    return path


def sentences(folder: Path, *left_out: str) -> Path:
    words = {"blue_square": ["it is blue"], "green cross": ["a plus"], "red_circle": ["a ball"]}
    path = folder / "sentences.json"
    path.write_text(json.dumps({k: v for k, v in words.items() if k not in left_out}))
    return path


def test_a_run_with_sentences_beside_weighted_templates(recipe: Path, tmp_path: Path) -> None:
    file = sentences(tmp_path)
    settings = [
        f"model.prompts.file={file}",
        "model.prompts.beside_templates=true",
        "model.prompts.weights=zpe",
        "model.prompts.search=true",
    ]
    done = run(recipe, settings, tmp_path / "run")
    stored = json.loads((done.folder / "prompts.json").read_text())
    assert stored["file"] == str(file)
    columns = stored["choice"]["columns"]
    assert sum(column["weight"] for column in columns) == pytest.approx(1)
    assert all(column["score"] is not None for column in columns)
    assert stored["choice"]["search"]["candidates"] == 83
    loaded = Classifier.load(done.folder / "model")
    assert loaded.prompt_weights is not None
    assert "it is blue" in loaded.prompts[0] or stored["choice"]["search"]["kept"]
    report = (done.folder / "report.md").read_text()
    assert "Prompts" in report
    assert columns[0]["name"] in report
    again = start_of(RunFolder.read(done.folder))
    assert (again.prompts, again.prompt_weights) == (loaded.prompts, loaded.prompt_weights)


def test_a_plan_reads_the_sentences_and_refuses_what_is_missing(
    recipe: Path, tmp_path: Path
) -> None:
    file = sentences(tmp_path, "red_circle")
    with pytest.raises(DataError, match="1 mistake - 'red_circle' is missing"):
        plan(load(recipe, [f"model.prompts.file={file}"]))
    plan(load(recipe, [f"model.prompts.file={sentences(tmp_path)}"]))
    with pytest.raises(RecipeError, match=r"model\.prompts\.file - no such file"):
        load(recipe, [f"model.prompts.file={tmp_path / 'other.json'}"])
    with pytest.raises(RecipeError, match="there is nothing beside the templates"):
        plan(load(recipe, ["model.prompts.beside_templates=true"]))


def test_without_a_word_about_prompts_nothing_is_written(recipe: Path, tmp_path: Path) -> None:
    done = run(recipe, ["few_shot.shots=[]"], tmp_path / "run")
    assert not (done.folder / "prompts.json").exists()
    manifest = json.loads((done.folder / "model" / "classifier.json").read_text())
    assert "prompt_weights" not in manifest
