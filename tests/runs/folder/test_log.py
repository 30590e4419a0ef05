"""What a run says while it goes on."""

from pathlib import Path

import pytest

from adapt.runs.folder.log import noting, teller


def test_lines_and_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say, notes = teller(tmp_path, quiet=True), ["first"]
    say("reading images")
    noting(notes, say)("a logger was switched off")
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "reading images",
        "note: a logger was switched off",
    ]
    assert notes == ["first", "a logger was switched off"]
    assert capsys.readouterr().err == ""
