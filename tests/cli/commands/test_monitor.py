"""`adapt monitor`: what it prints, what it writes, and its exit code."""

import json
from pathlib import Path

import pytest

from adapt.models.classifier import Classifier
from tests.helpers.commands import call


@pytest.fixture
def model(start: Classifier, tmp_path: Path) -> Path:
    """A bundle without statistics."""
    return start.save(tmp_path / "model")


def test_json_and_exit_code(
    model: Path, toy_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["monitor", model, toy_root / "val", "--reference", toy_root / "val", "--json"]
    assert call(monkeypatch, *given) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["images"], content["alarms"]) == (12, [])
    assert content["drift"]["p"] == 1
    assert call(monkeypatch, *given, "--min-accuracy", "1") == 6
    assert "too low" in json.loads(capsys.readouterr().out)["alarms"][0]


def test_the_page(
    model: Path,
    toy_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    given = ["monitor", model, toy_root / "test", "--reference", toy_root / "val"]
    assert call(monkeypatch, *given, "--level", "1e-9", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "of the answers are right there" in printed
    assert f"page    {out / 'monitor.html'}" in printed
    names = {"monitor.html", "monitor.json", "to_label.csv"}
    assert {path.name for path in out.iterdir()} == names
    assert call(monkeypatch, *given, "--out", out) == 2
    assert "exists" in capsys.readouterr().err


def test_refused(
    model: Path, toy_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "monitor", model, toy_root / "test") == 2
    assert "--reference FOLDER" in capsys.readouterr().err
    assert call(monkeypatch, "monitor", model, toy_root / "test", "--width", "0.5") == 2
    assert "--width - out of range - 0.5" in capsys.readouterr().err
