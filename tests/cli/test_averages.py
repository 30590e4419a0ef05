"""Soups and mixes on the command line; `test_app.py` has whole runs of them."""

from pathlib import Path

import pytest

from tests.cli.test_app import call


@pytest.mark.parametrize("words", [("soup", "a", "b"), ("mix", "a", "--alpha", "0.5")])
def test_a_folder_that_is_no_run_is_named(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words, "--out", "new") == 2
    assert "a - not a run folder" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
