"""`adapt cache`: shows, empties and names the folder of what can be made again."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapt.cli.app import app

RUNNER = CliRunner()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    for name, size in (("features/a/one.safetensors", 1500), ("unpacked/b/two.png", 10)):
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" * size)
    (tmp_path / "cache" / "own.txt").write_text("of somebody else")
    return tmp_path / "cache"


def test_info_counts_files_and_bytes(folder: Path) -> None:
    shown = RUNNER.invoke(app, ["cache", "info"]).output
    assert "1.5 KB" in shown
    assert "10 bytes" in shown
    assert "20.0 GB" in shown
    assert RUNNER.invoke(app, ["cache", "path"]).output.strip() == str(folder)


def test_clear_deletes_a_kind_or_all_and_nothing_else(folder: Path) -> None:
    assert RUNNER.invoke(app, ["cache", "clear", "features"]).output == "1.5 KB freed\n"
    assert not (folder / "features").exists()
    assert (folder / "unpacked").exists()
    assert RUNNER.invoke(app, ["cache", "clear"]).output == "10 bytes freed\n"
    assert [path.name for path in folder.iterdir()] == ["own.txt"]
    refused = RUNNER.invoke(app, ["cache", "clear", "nothing"])
    assert "not a kind" in str(refused.exception)
