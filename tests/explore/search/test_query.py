"""What a question may be."""

import pytest

from adapt.errors import RecipeError
from adapt.explore.search.query import Query, QueryWeights, as_tuple, read_words


@pytest.mark.parametrize(
    ("typed", "text", "minus"),
    [
        ("a red bus at night -beach", "a red bus at night", ["beach"]),
        ("-beach a bus -sand", "a bus", ["beach", "sand"]),
        ("-beach", "", ["beach"]),
        ("a t-shirt", "a t-shirt", []),
        ("2019 - 2020", "2019 - 2020", []),
        ("a -- b", "a -- b", []),
        ("", "", []),
    ],
)
def test_words_with_a_minus(typed: str, text: str, minus: list[str]) -> None:
    assert read_words(typed) == (text, minus)


def test_one_or_several() -> None:
    assert as_tuple(b"bytes") == (b"bytes",)
    assert as_tuple(("a", "b")) == ("a", "b")


def test_a_question_must_ask_for_something() -> None:
    with pytest.raises(RecipeError, match="nothing to look for"):
        Query(minus=("beach",))
    with pytest.raises(RecipeError, match="an empty text - ' '"):
        Query((" ",))
    with pytest.raises(ValueError, match="minus - out of range"):
        QueryWeights(minus=-1)


def test_as_data_and_in_words() -> None:
    query = Query(("a bus",), (b"bytes",), ("beach", "sand"), ("boat",))
    assert query.to_dict() == {
        "texts": ["a bus"],
        "images": ["image"],
        "minus": ["beach", "sand"],
        "classes": ["boat"],
        "templates": ["{}"],
        "weights": {"text": 1.0, "image": 1.0, "minus": 0.5},
    }
    assert query.said() == "a bus + class boat + image image - beach - sand"
