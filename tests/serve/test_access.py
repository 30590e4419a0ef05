"""The token comes from a file or the environment, and is compared whole."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.serve.access import VARIABLE, Access, read_token
from adapt.serve.answers import Refusal

GOOD = "0123456789abcdef"


def test_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert read_token(None) is None
    monkeypatch.setenv(VARIABLE, f" {GOOD}\n")
    assert read_token(None) == GOOD
    file = tmp_path / "token"
    file.write_text(f"{GOOD}-of-a-file\n")
    assert read_token(file) == f"{GOOD}-of-a-file"


@pytest.mark.parametrize(
    "text", ["", "too-short-x", "0123456789 abcdef", "0123456789äbcdef", "x" * 5000]
)
def test_what_is_no_token(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="not a token") as caught:
        read_token(file)
    assert not text or text not in str(caught.value)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_token(tmp_path / "none")


def test_who_is_let_in() -> None:
    access = Access(GOOD)
    access.check(f"Bearer {GOOD}")
    access.check(f"bearer  {GOOD}")
    for given in (None, "", GOOD, "Bearer", f"Basic {GOOD}", f"Bearer {GOOD}x", "Bearer \u00e9"):
        with pytest.raises(Refusal) as caught:
            access.check(given)
        assert caught.value.status == 401
    assert (access.has_token, Access(None).has_token) == (True, False)
