"""Soups and mixes on the command line; `test_app.py` has whole runs of them."""

from pathlib import Path

import pytest

from tests.cli.test_app import call


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("soup", "a", "--out", "new"), "a"),
        (("mix", "a", "--alpha", "0.5", "--out", "new"), "a"),
    ],
)
def test_a_folder_that_is_no_run_is_named(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words) == 2
    assert capsys.readouterr().err.startswith(f"{message} - ")
    assert not (tmp_path / "new").exists()
