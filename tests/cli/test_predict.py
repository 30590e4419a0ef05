"""The command: what it prints, and how it ends."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from adapt.cli.predict import OPTIONS
from adapt.predictions import run
from tests.helpers.commands import ROOT, call
from tests.helpers.predicted import table_rows
from tests.helpers.tiny import drawing, tiny_classifier


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model and three photos, and the command is called in it."""
    monkeypatch.chdir(tmp_path)
    tiny_classifier().save("model")
    Path("photos").mkdir()
    for name in "abc":
        drawing("red_circle", np.random.default_rng(ord(name))).save(f"photos/{name}.png")
    return tmp_path


def test_counts_are_printed(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("photos/b.png").write_text("no image")
    Path("photos/b.txt").write_text("")
    words = ("predict", "model", "photos", "-o", "out.csv", "--device", "cpu", "--top", "2")
    assert call(monkeypatch, *words, "--threshold", "0.2") == 0
    assert capsys.readouterr().out == (
        "3 images predicted on cpu, 1 with an error (1 not an image), 1 other file skipped "
        "(1 .txt): out.csv\n"
    )
    rows = table_rows(Path("out.csv"))
    assert [len(row["top2"].split("; ")) for row in rows if row["top2"]] == [2, 2]
    assert [row["abstained"] for row in rows] == ["false", "", "false"]


def test_a_list_on_standard_input(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"photos/c.png\0gone.png\0")))
    assert call(monkeypatch, "predict", "model", "-", "-0", "-o", "out.csv", "--quiet") == 0
    rows = table_rows(Path("out.csv"))
    assert [(row["path"], row["reason"]) for row in rows] == [
        ("photos/c.png", ""), ("gone.png", "no such file"),
    ]  # fmt: skip


def test_one_mistake_in_one_sentence(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ("predict", "model", "photos", "-o", "out.csv")
    assert call(monkeypatch, *start, "--rows-per-part", "0") == 2
    assert capsys.readouterr().err.startswith("RecipeError: --rows-per-part - out of range - 0")
    assert call(monkeypatch, *start, "--precision", "64") == 2
    assert (
        "--precision - not known - '64' - choose one of 32, tf32, bf16" in capsys.readouterr().err
    )
    assert call(monkeypatch, *start, "--resume") == 2
    assert "--resume - only for a folder of parts" in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_a_stopped_command_says_how_to_go_on(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write = run.write_parts

    def stop(tables: object, predictions: object, *rest: object) -> None:
        def two() -> object:
            yield next(predictions)  # type: ignore[call-overload]
            yield next(predictions)  # type: ignore[call-overload]
            raise KeyboardInterrupt

        write(tables, two(), *rest)  # type: ignore[arg-type]

    words = ("predict", "model", "photos", "-o", "out", "--rows-per-part", "1")
    with monkeypatch.context() as patched:
        patched.setattr(run, "write_parts", stop)
        assert call(monkeypatch, *words) == 5
    assert capsys.readouterr().err == (
        "stopped by Ctrl-C: finished tables are kept; resume with: adapt predict model photos -o "
        "out --rows-per-part 1 --resume\n"
    )
    assert len(json.loads(Path("out/predictions.json").read_text())["parts"]) == 2
    assert call(monkeypatch, *words, "--resume") == 0
    assert "3 images predicted on cpu, 2 of them before, no errors" in capsys.readouterr().out


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")
    names = [*OPTIONS, "resume", "overwrite", "quiet"]
    assert [name for name in names if f"--{name.replace('_', '-')}" not in page] == []
