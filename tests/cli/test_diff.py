"""`adapt diff`: its exit code, what it prints and what it writes."""

import json
from pathlib import Path

import pytest

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


def test_mistakes_are_told_before_anything_is_computed(
    models: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "diff", *models, "--fail-if", "brokn > 1%") == 2
    assert "did you mean 'broken'" in capsys.readouterr().err
    assert call(monkeypatch, "diff", models[0]) == 2
    assert "write adapt diff A B" in capsys.readouterr().err
    assert call(monkeypatch, "diff", *models) == 2
    assert "give DATA" in capsys.readouterr().err
