"""The command: what it prints, and how it ends."""

from pathlib import Path

import pytest

from adapt.cli.embed import OPTIONS
from adapt.models.classifier import Classifier
from adapt.scale.parts import PartEmbedder
from tests.helpers.commands import ROOT, call
from tests.helpers.embedding import photos


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and 21 photos, and the command is called in it."""
    monkeypatch.chdir(tmp_path)
    Classifier.from_clip("adapt-icons-xs", "random", ["cat"]).save("model")
    return photos(tmp_path / "photos")


def test_counts_are_printed(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("embed", "photos", "model", "-o", "out", "--device", "cpu", "--part-rows", "10")
    assert call(monkeypatch, *words) == 0
    errors = "2 with an error (1 empty file, 1 not an image), 1 other file skipped (1 .txt): out\n"
    assert capsys.readouterr().out == f"21 images in 3 parts embedded on cpu, {errors}"
    assert call(monkeypatch, *words) == 0
    again = "nothing left to do: 21 images in 3 parts were embedded before, "
    assert capsys.readouterr().out == again + errors
    assert call(monkeypatch, *words, "--threads", "0") == 2
    assert "--threads - out of range - 0" in capsys.readouterr().err


def test_a_stopped_command_says_how_to_go_on(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: object, number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PartEmbedder, "embed", stop)
    assert call(monkeypatch, "embed", "photos", "model", "-o", "out", "--overwrite") == 5
    assert capsys.readouterr().err == (
        "stopped by Ctrl-C: finished parts are kept; resume with: adapt embed photos model -o out\n"
    )


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    names = [*OPTIONS, "overwrite", "retry", "quiet"]
    assert [name for name in names if f"--{name.replace('_', '-')}" not in page] == []
