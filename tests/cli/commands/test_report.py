"""`adapt report`: reports again, many runs on one page, and what does not go together."""

import json
from pathlib import Path

import pytest

from tests.helpers.commands import call
from tests.helpers.report_fixture import make_run


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two small runs."""
    return [make_run(tmp_path / name, 2, 1, name=name) for name in ("one", "two")]


def test_reports_are_written_into_their_folders(
    runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(monkeypatch, "report", *runs) == 0
    assert all((run / "report.html").is_file() and (run / "report.md").is_file() for run in runs)


def test_many_runs_are_one_page_or_json(
    runs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "side.html"
    words = ("report", "--compare", *runs)
    assert call(monkeypatch, *words, "-o", page) == 0
    assert f"page    {page}" in capsys.readouterr().out
    assert "2 runs side by side" in page.read_text(encoding="utf-8")
    assert call(monkeypatch, *words, "-o", page) == 2, "it is there"
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert [run["name"] for run in content["runs"]] == ["one", "two"]
    assert not (tmp_path / "runs.html").exists(), "--json alone writes nothing"


def test_what_does_not_go_together_is_refused(
    runs: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, "report", runs[0], "-o", tmp_path / "x.html") == 2
    assert "--output belongs to --compare" in capsys.readouterr().err
    assert call(monkeypatch, "report", "--compare", runs[0]) == 2
    assert "not two runs" in capsys.readouterr().err
    assert call(monkeypatch, "report", "--compare", runs[0], tmp_path) == 2
    assert "is not a finished run folder" in capsys.readouterr().err
