"""Types of settings in words, values that fit them, and what paths lead to."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from adapt.common.typed import (
    FILE,
    FILES,
    FOLDER,
    accepts,
    describe,
    leads,
    misfit,
    options_of,
    path_to,
    resolve_path,
)


@dataclass
class Section:
    """Settings with a path that must be given and one that may be."""

    table: str = path_to(FILE, needed=True)
    root: str | None = path_to(FOLDER)
    rows: list[int] = field(default_factory=list)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (float | None, "a number or null"),
        (bool | str, "true or false or text"),
        (str | dict[str, float], "text or a mapping"),
        (Section | list[str], "a mapping or a list"),
        (tuple[float, ...] | float, "a list of numbers or a number"),
        (tuple[int, int], "a list of 2 numbers"),
        (Literal["a", None], "one of a, null"),
        (Annotated[int, "positive"] | Annotated[float | int, "x"], "a whole number or a number"),
    ],
)
def test_types_in_words(hint: Any, words: str) -> None:
    assert describe(hint) == words


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [0, -3], [True, 1.0, "1", None]),
        (float, [1, 0.5], [False, "1", None]),
        (str, ["x", 32], [True, 1.5, None]),
        (bool, [True], [1, "true"]),
        (int | None, [None, 2], ["x"]),
        (list[str], [[], [1]], [{}, "x"]),
        (dict[str, float] | Section, [{}], [[], None]),
        (Any, [None, object()], []),
    ],
)
def test_values_that_fit(hint: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert any(accepts(option, value) for option in options_of(hint)), value
    for value in bad:
        assert not any(accepts(option, value) for option in options_of(hint)), value


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "labels.csv").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path))
    file, folder = str(tmp_path / "labels.csv"), str(tmp_path)
    assert leads(file, FILE)
    assert leads("~/labels.csv", FILE)
    assert leads(folder, FOLDER)
    assert not leads(folder, FILE)
    assert not leads(file, FOLDER)
    assert leads(file, FILES)
    assert leads(folder, FILES)
    assert leads("no-{0..9}.tar", FILES)
    assert not leads("no-{0..9}.tar", FILE)
    assert not leads("a\0b", FILE)
    assert [one.metadata.get("path") for one in fields(Section)] == [FILE, FOLDER, None]
    with pytest.raises(TypeError, match="table"):
        Section()  # type: ignore[call-arg]
    assert Section("x").root is None


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (str, 3, "x - not text - '3'"),
        (int, True, "x - not a whole number - 'True'"),
        (int, 3.0, "x - not a whole number - '3.0'"),
        (float, 3, ""),
        (float, 10**400, "x - not a number"),
        (float, float("nan"), "x - not a number - 'nan'"),
        (bool, 1, "x - not true or false"),
        (list[str], ("a",), "x - not a list"),
        (list[list[str]], [["a"], ["b", None]], "x.1.1 - not text - 'None'"),
        (dict[str, Any], {"a": object}, ""),
        (dict[str, str], [], "x - not a mapping"),
    ],
)
def test_misfit(hint: Any, value: Any, expected: str) -> None:
    assert misfit(hint, value, "x").startswith(expected)
    assert bool(misfit(hint, value, "x")) is bool(expected)


def test_home_is_the_only_thing_that_a_path_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PLACE", "photos")
    (tmp_path / "photos").mkdir()
    assert resolve_path("~/photos") == tmp_path / "photos"
    assert leads("~/photos", FOLDER)
    for given in ("$PLACE", "${PLACE}", "~nobody-of-this-name/photos", "%PLACE%"):
        assert str(resolve_path(given)) == given
        assert not leads(given, FOLDER)
