"""`adapt audit` as it is called."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from adapt.cli.app import app
from adapt.errors import RecipeError
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    place = tmp_path_factory.mktemp("audit")
    root = draw_folder(place / "photos", dict.fromkeys(CLASSES, 4), 0)
    rows = [
        {"path": str(path.relative_to(root)), "label": path.parent.name, "site": "ab"[number % 2]}
        for number, path in enumerate(sorted(root.rglob("*.png")))
    ]
    pd.DataFrame(rows).to_csv(root / "t.csv", index=False)
    model = tiny_classifier().save(place / "model")
    return ["audit", str(model), str(root / "t.csv"), "--by", "site", "--min-images", "2"]


def test_json_is_the_file(words: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "w"), "--json"])
    assert done.exit_code == 0
    stored = json.loads((tmp_path / "w" / "audit.json").read_text("utf-8"))
    assert json.loads(done.stdout) == stored


def test_a_limit_ends_with_one(words: list[str], tmp_path: Path) -> None:
    limit = ["--fail-if", "worst_group < 101", "--fail-if", "gap > 100"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "w"), *limit])
    assert done.exit_code == 1
    assert "FAILED  worst_group < 101" in done.stdout
    assert "passed  gap > 100" in done.stdout
    assert "accuracy by site" in done.stdout
    assert "audit.html" in done.stdout


def test_wrong_settings_are_named(words: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "w"), "--correction", "x"])
    assert isinstance(done.exception, RecipeError)
    assert "--correction - not known" in str(done.exception)
