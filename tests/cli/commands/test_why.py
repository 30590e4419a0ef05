"""`adapt why` as it is called."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapt.cli.app import app
from tests.helpers.tiny import CLASSES, draw_folder, tiny_classifier


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    draw_folder(folder / "train", dict.fromkeys(CLASSES, 5), 0)
    tiny_classifier().save(folder / "model")
    return folder


def called(made: Path, *words: str) -> tuple[int, str]:
    image = str(made / "train" / "red_circle" / "0.png")
    done = CliRunner().invoke(app, ["why", str(made / "model"), image, "--no-where", *words])
    return done.exit_code, done.stdout


def test_json_is_the_file(made: Path, tmp_path: Path) -> None:
    train = str(made / "train")
    code, text = called(made, "--train", train, "--out", str(tmp_path / "w"), "--json")
    assert code == 0
    assert json.loads(text) == json.loads((tmp_path / "w" / "why.json").read_text("utf-8"))
    assert (tmp_path / "w" / "why.html").is_file()


def test_the_terminal_names_what_pulls(made: Path, tmp_path: Path) -> None:
    train = str(made / "train")
    code, text = called(made, "--train", train, "--out", str(tmp_path / "w"), "--top", "2")
    assert code == 0
    assert "labels that pull" in text
    assert "regions: it was not asked for" in text


def test_an_earlier_page_stays(made: Path, tmp_path: Path) -> None:
    (tmp_path / "why.html").write_text("mine")
    code, _ = called(made, "--out", str(tmp_path))
    assert code != 0
    assert (tmp_path / "why.html").read_text() == "mine"
