"""Words and sentences that messages share."""

import pytest

from adapt.common.words import check_choice, first_few, is_file_name, listed, plural, refuse


@pytest.mark.parametrize("name", ["a", "blur_3", "A-1", "x" * 64, "com", "nulls"])
def test_names_for_files(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "_a", "-a", "x" * 65, "con", "LPT1", "caf\u00e9", "a\n"]
)
def test_no_names_for_files(name: str) -> None:
    assert not is_file_name(name)


def test_choices() -> None:
    assert check_choice("kind", "b", ("a", "b")) == []
    assert check_choice("kind", "???", ("a", "b")) == [], "a value that the user has yet to give"
    assert check_choice("kind", "c", ("a", "b")) == ["kind - not known - 'c' - choose one of a, b"]


def test_all_sentences_are_raised_at_once() -> None:
    refuse([])
    with pytest.raises(ValueError, match=r"^one\ntwo$"):
        refuse(["one", "two"])


def test_lists_in_a_line() -> None:
    assert listed([1, "b"]) == "1, b"
    assert first_few(str(number) for number in range(5)) == "0, 1, 2, 3, 4"
    assert first_few(map(str, range(6))) == "0, 1, 2, 3, 4, ..."
    assert first_few(["a", "b", "c"], 2, "; ") == "a; b; ..."
    assert first_few([]) == ""


@pytest.mark.parametrize(
    ("count", "word", "text"),
    [(0, "image", "0 images"), (1, "class", "1 class"), (10_000, "class", "10,000 classes")],
)
def test_counts(count: int, word: str, text: str) -> None:
    assert plural(count, word) == text
