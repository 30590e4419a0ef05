"""What a context says without being told where to."""

import sys

import pytest

from adapt.training.context import Context


def test_sentences_go_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Context().tell("one logger is off")
    assert capsys.readouterr() == ("", "one logger is off\n")
    monkeypatch.setattr(sys, "stderr", None)
    Context().tell("nobody hears this")
