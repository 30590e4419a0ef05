"""`adapt suggest`: what it prints and writes."""

import json
import shlex
from pathlib import Path

import pytest

from adapt.cli.commands.suggest import default_folder, endings, source_of_run
from adapt.models.classifier import Classifier
from adapt.recipe.load import load
from tests.helpers.commands import call


@pytest.fixture
def model(start: Classifier, tmp_path: Path) -> Path:
    """A saved model."""
    return start.save(tmp_path / "model")


def test_list_page_links_and_curve(
    model: Path, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = ["suggest", model, toy_root / "test", "--budget", 5]
    known = ["--labelled", toy_root / "train", "--link", "links"]
    assert call(monkeypatch, *given, *known) == 0
    printed = capsys.readouterr().out
    assert "How much more labels would bring" in printed
    assert "now, 24 labels" in printed
    assert "suggest-test/suggest.csv" in printed
    assert f"root: {toy_root / 'test'}" in printed
    assert len(list((tmp_path / "links").rglob("*.png"))) == 5
    assert call(monkeypatch, *given) == 2  # the list may have been filled in
    assert "exists" in capsys.readouterr().err


def test_json(
    model: Path, toy_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    given = ["suggest", model, toy_root / "test", "--budget", 3, "--json", "--out", tmp_path / "o"]
    assert call(monkeypatch, *given, "--strategy", "margin") == 0
    said = capsys.readouterr()
    content = json.loads(said.out)
    assert content == json.loads((tmp_path / "o" / "suggest.json").read_text())
    assert [pick["rank"] for pick in content["picks"]] == [1, 2, 3]
    assert "suggest.csv" in said.err
    assert call(monkeypatch, *given, "--overwrite", "--strategy", "margins") == 2
    assert "did you mean 'margin'?" in capsys.readouterr().err


def test_default_folder() -> None:
    assert default_folder("a/b c.tar") == Path("suggest-b-c.tar")
    assert default_folder("-") == Path("suggest-pool")


def test_the_training_of_a_run_goes_on_beside_the_new_labels(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    recipe = (
        "version: 1\nname: x\nmodel: {arch: adapt-icons-xs, pretrained: embedded}\n"
        f"data: {{train: {{kind: folder, root: {tmp_path}}}}}\nmethod: gda\n"
    )
    (tmp_path / "recipe.yaml").write_text(recipe)
    before = source_of_run(tmp_path / "model")
    assert before == {"kind": "folder", "root": str(tmp_path)}
    assert source_of_run(tmp_path / "elsewhere" / "model") is None
    (tmp_path / "list.csv").touch()
    said = endings("pool", tmp_path / "list.csv", None, before)[-1]
    assert said.endswith(
        f"'data.train={{kind: combined, parts: [{{kind: folder, root: {tmp_path}}}, "
        f"{{kind: table, path: {tmp_path}/list.csv}}]}}'"
    )
    assert load(tmp_path / "recipe.yaml", [shlex.split(said)[-1]]).recipe.data.train


@pytest.mark.parametrize("draw", [{"shots": 2}, {"fraction": 0.5}])
def test_a_run_that_drew_its_images_goes_on_with_all_of_them(
    tmp_path: Path, draw: dict[str, float]
) -> None:
    (tmp_path / "list.csv").touch()
    part = {"kind": "folder", "root": str(tmp_path)}
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "version: 1\nname: x\nmodel: {arch: adapt-icons-xs, pretrained: embedded}\n"
        f"data: {{train: {{kind: folder, root: {tmp_path}}}}}\nmethod: gda\n"
    )
    several = {"kind": "combined", "parts": [part]}
    for before in ({**part, "group": "patient"} | draw, {**several, "group": "patient"} | draw):
        *_, note, said = endings("pool", tmp_path / "list.csv", None, before)
        [(key, value)] = draw.items()
        assert f"drew {key}: {value} of its images" in note
        train = load(recipe, [shlex.split(said)[-1]]).resolved["data"]["train"]
        assert train["group"] == "patient"
        assert train["parts"] == [part, {"kind": "table", "path": str(tmp_path / "list.csv")}]


def test_captions_of_a_run_are_no_labels_to_go_on_with(tmp_path: Path) -> None:
    recipe = (
        "version: 1\nname: x\nmodel: {arch: adapt-icons-xs, pretrained: embedded}\n"
        "data: {train: {kind: embedded_pairs, name: pictograms, domain: emoji}}\nmethod: lit\n"
    )
    (tmp_path / "recipe.yaml").write_text(recipe)
    assert load(tmp_path / "recipe.yaml").resolved["data"]["train"]["kind"] == "embedded_pairs"
    assert source_of_run(tmp_path / "model") is None
