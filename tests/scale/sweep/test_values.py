"""The words of a sweep, hostile ones too."""

import pytest

from adapt.errors import RecipeError
from adapt.scale.sweep.values import from_values, read_words, split_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4,1e-3", ["1e-4", "1e-3"]),
        ("[1, 2],[3]", ["[1, 2]", "[3]"]),
        ("{a: 1, b: [2, 3]},none", ["{a: 1, b: [2, 3]}", "none"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ('["x, y", z],"q"', ['["x, y", z]', '"q"']),
        ("it's,that's", ["it's", "that's"]),
        ("f(a,b),c", ["f(a,b)", "c"]),
        ("a) , b", ["a)", "b"]),
        ("", [""]),
        ("photos/a b", ["photos/a b"]),
    ],
)
def test_commas_inside_brackets_and_quotes_stay(text: str, values: list[str]) -> None:
    assert split_values(text) == values


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("1,,2", "lr - an empty value - given 1,,2"),
        ("1,2,", "lr - an empty value"),
        ("[1,2", r"lr - \[ does not close - given \[1,2"),
        ("[1,2},3", r"lr - \[ does not close"),
        ("'a,b", "lr - ' does not close"),
    ],
)
def test_what_does_not_close_or_is_empty_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        split_values(text, "lr")


def test_words_are_told_apart() -> None:
    words = read_words(
        ["method.optim.lr=1e-4,0.001", "~few_shot", "seed=0..2", "name=x", "a.b=[1, 2],null"]
    )
    assert {key.key: list(key.values) for key in words.swept} == {
        "method.optim.lr": [0.0001, 0.001],
        "seed": [0, 1, 2],
        "a.b": [[1, 2], None],
    }
    assert words.overrides == ("~few_shot", "name=x")
    assert words.seeds is not None
    assert [key.key for key in words.settings] == ["method.optim.lr", "a.b"]


def test_ranges_go_down_too_and_quotes_make_them_text() -> None:
    assert read_words(["seed=2..0"]).swept[0].values == (2, 1, 0)
    assert read_words(["a='0..2',b"]).swept[0].values == ("0..2", "b")
    with pytest.raises(RecipeError, match=r"seed - too many values - given 0\.\.5000"):
        read_words(["seed=0..5000"])


def test_every_mistake_is_listed() -> None:
    with pytest.raises(RecipeError) as told:
        read_words(["lr=1e-3,0.001", "a=1,2", "a=3", "b=[1,2", "c=1,,2", "d={a: 1, a: 2},1"])
    lines = str(told.value).splitlines()
    assert lines[0] == ("lr - the same value twice - given 1e-3 and 0.001 - leave one out")
    assert lines[1].startswith("a - given twice - a=3")
    assert lines[2].startswith("b - [ does not close")
    assert lines[3].startswith("c - an empty value")
    assert lines[4].startswith("d.a - duplicate key")


def test_nothing_to_sweep() -> None:
    with pytest.raises(RecipeError, match="no key has several values - given seed=1, a=b - write"):
        read_words(["seed=1", "a=b"])
    with pytest.raises(RecipeError, match="given none"):
        read_words([])


def test_python_values_are_written_as_overrides() -> None:
    given = {
        "a": [1e-05, 0.5],
        "b": ["lora", "a,b", "1", "", "null"],
        "c": [True, None, [1, "x"]],
        "d": [3],
    }
    words = from_values(given, ["e=1"])
    assert [key.texts for key in words.swept] == [
        ("1e-05", "0.5"),
        ("lora", '"a,b"', '"1"', '""', '"null"'),
        ("true", "null", '[1, "x"]'),
    ]
    assert [list(key.values) for key in words.swept] == [given["a"], given["b"], given["c"]]
    assert words.overrides == ("e=1", "d=3")


def test_python_values_that_are_none() -> None:
    with pytest.raises(RecipeError) as told:
        from_values({"a": "text", "b": [], "c": [1, 1.0, 2], "e": [1, 2]}, ["e=1"])
    lines = str(told.value).splitlines()
    assert [line.split(" - ")[:2] for line in lines] == [
        ["a", "not a list of values"],
        ["b", "no values"],
        ["e", "given twice"],
    ]
