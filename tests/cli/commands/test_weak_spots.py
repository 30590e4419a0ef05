"""`adapt probe-weak-spots` as it is called."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapt.cli.app import app
from adapt.errors import RecipeError
from adapt.explore.weak_spots.tasks import base
from tests.helpers.tiny import tiny_classifier


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    few = {name: task for name, task in base.tasks().items() if name in ("negation", "nearer")}
    monkeypatch.setattr("adapt.explore.weak_spots.result.tasks", lambda: few)
    return tiny_classifier().save(tmp_path / "model")


def test_json_is_the_file(model: Path, tmp_path: Path) -> None:
    words = [str(model), "--images", "20", "--out", str(tmp_path / "w"), "--json"]
    done = CliRunner().invoke(app, ["probe-weak-spots", *words])
    assert done.exit_code == 0
    stored = json.loads((tmp_path / "w" / "weak_spots.json").read_text("utf-8"))
    assert json.loads(done.stdout) == stored


def test_the_terminal_says_what_not_to_use_it_for(model: Path, tmp_path: Path) -> None:
    words = [str(model), "--images", "20", "--out", str(tmp_path / "w")]
    done = CliRunner().invoke(app, ["probe-weak-spots", *words])
    assert done.exit_code == 0
    assert "accuracy on drawn tasks" in done.stdout
    assert "weak_spots.html" in done.stdout


def test_other_classes_need_photos(model: Path) -> None:
    done = CliRunner().invoke(app, ["probe-weak-spots", str(model), "--add", "child"])
    assert isinstance(done.exception, RecipeError)
    assert "--photos - missing" in str(done.exception)
