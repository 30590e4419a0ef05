"""Lists of paths on standard input, ended by line breaks or by NUL."""

import io
import os
import sys

import pytest

from adapt.errors import RecipeError
from adapt.predictions.inputs import standard_input
from adapt.predictions.inputs.base import Reading


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.mark.parametrize(("content", "null", "expected"), [
    (b"a.png\nb c.png\n", False, ["a.png", "b c.png"]),
    (b"a.png\r\n\r\nlast.png", False, ["a.png", "last.png"]),
    (b"a\nb.png\0c.png\0", True, ["a\nb.png", "c.png"]),
    (b"a.png\0\0c.png", True, ["a.png", "c.png"]),
    (b"n\xe9.png\n", False, [os.fsdecode(b"n\xe9.png")]),
    (b"", False, []), (b"", True, []),
])  # fmt: skip
@pytest.mark.parametrize("block", [1, 3, 1 << 16])
def test_lists(
    content: bytes, null: bool, expected: list[str], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_input, "BLOCK", block)
    given(monkeypatch, content)
    reading = Reading("-", null)
    assert [item.name for item in reading.items()] == expected
    empty = sum(b"\n\r\n" in content or b"\0\0" in content for _ in range(1))
    assert reading.skipped.total() == empty
    assert reading.count() == 0


def test_a_terminal_sends_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (Terminal(), None):
        monkeypatch.setattr(sys, "stdin", stream)
        with pytest.raises(RecipeError, match="standard input is a terminal - send one, as in"):
            next(Reading("-").items())
