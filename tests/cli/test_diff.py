"""`adapt diff`: its exit code, what it prints and what it writes."""

import json
from pathlib import Path

import pytest

from adapt.cli.diff import default_folder
from adapt.models.classifier import Classifier
from tests.helpers.commands import call
from tests.helpers.tiny import moved


@pytest.fixture
def models(start: Classifier, tmp_path: Path) -> list[Path]:
    """The start, and a model moved away from it."""
    moved(start, 3, 0.3).save(tmp_path / "new" / "model")
    return [start.save(tmp_path / "old" / "model"), tmp_path / "new"]


def test_a_limit_decides_the_exit_code(
    models: list[Path],
    toy_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["diff", *models, toy_root / "test", "--shift", "fog=fog:3", "--no-latency"]
    assert call(monkeypatch, *given, "--fail-if", "p < 0", "--markdown", "comment.md") == 0
    printed = capsys.readouterr().out
    content = json.loads((tmp_path / "diff-old-new" / "diff.json").read_text())
    own = content["sets"]["test"]["accuracy"]
    assert f"B fixes {own['fixed']} and breaks {own['broken']}" in printed
    assert "passed  p < 0" in printed
    assert "diff-old-new/diff.html" in printed
    assert "A: old, B: new" in (tmp_path / "comment.md").read_text()
    limits = ["--fail-if", "p < 0", "--fail-if", "broken >= 0", "--out", "out"]
    assert call(monkeypatch, *given, *limits) == 1
    assert "FAILED  broken >= 0" in capsys.readouterr().out
    assert (tmp_path / "out" / "diff.html").is_file()


def test_nothing_is_replaced_unasked(
    models: list[Path],
    toy_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["diff", *models, toy_root / "test", "--no-latency"]
    advice = "exists - it would be overwritten - add --overwrite, or give another name"
    page, comment = tmp_path / "diff-old-new" / "diff.html", tmp_path / "comment.md"
    page.parent.mkdir()
    for file, more in ((page, []), (comment, ["--out", "other", "--markdown", "comment.md"])):
        file.write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr("adapt.comparison.compare", None)
            assert call(monkeypatch, *given, *more) == 2
        shown = file.relative_to(tmp_path)
        assert f"RecipeError: {shown} - {advice}" in capsys.readouterr().err
        assert file.read_text() == "mine"
    assert not (tmp_path / "other").exists()
    assert call(monkeypatch, *given, "--markdown", "comment.md", "--overwrite") == 0
    assert page.read_text().startswith("<!doctype html>")
    assert comment.read_text().startswith("###")


def test_models_of_one_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "run" / "model").mkdir(parents=True)
    folder = default_folder(f"{tmp_path}/a/run", f"{tmp_path}/b/run/model").name
    flat = str(tmp_path).strip("/").replace("/", "-")
    assert folder == f"diff-{flat}-a-run-{flat}-b-run-model"


def test_mistakes_are_told_before_anything_is_computed(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "diff", *models, "--fail-if", "brokn > 1%") == 2
    assert "did you mean 'broken'" in capsys.readouterr().err
    assert call(monkeypatch, "diff", models[0]) == 2
    assert "write adapt diff A B" in capsys.readouterr().err
    assert call(monkeypatch, "diff", *models) == 2
    assert "give DATA" in capsys.readouterr().err
