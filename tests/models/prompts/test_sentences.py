"""Sentences from a file: what is taken, and everything that is refused at once."""

import json
import unicodedata
from pathlib import Path

import pytest
import torch

from adapt.data.labels.classes import ClassName
from adapt.errors import DataError
from adapt.models.classifier import Classifier
from adapt.models.prompts.sentences import with_sentences

NAMES = [ClassName("sea_star", "sea star", ("old",)), ClassName("cat", "house cat")]


def write(folder: Path, content: object, name: str = "sentences.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("name", ["sentences.json", "sentences.yaml"])
def test_classes_go_by_their_key_or_their_words(tmp_path: Path, name: str) -> None:
    content = {"House Cat": [" it purrs "], "sea_star": ["five arms", "a {} in the sand"]}
    first, second = with_sentences(NAMES, write(tmp_path, content, name))
    assert first == ClassName("sea_star", "sea star", ("five arms", "a {} in the sand"))
    assert second == ClassName("cat", "house cat", ("it purrs",))


def test_all_mistakes_are_told_in_one_error(tmp_path: Path) -> None:
    content = {"sea_str": ["x"], "cat": [], "dog": "y"}
    with pytest.raises(DataError) as caught:
        with_sentences(NAMES, write(tmp_path, content))
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'sentences.json'} - 4 mistakes - ")
    assert "'sea_str' is no class, did you mean 'sea_star'?" in told
    assert "'dog' is no class" in told
    assert "'cat' has an empty list" in told
    assert "'sea_star' is missing" in told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"cat": ["a"], "house cat": ["b"], "sea_star": ["c"]}, "'house cat' is class 'cat' again"),
        ({"cat": "a", "sea_star": ["c"]}, "'cat' has str in place of a list"),
        ({"cat": ["a", 3], "sea_star": ["c"]}, "'cat' has 3 in place of a sentence"),
        ({"cat": ["a", "a "], "sea_star": ["c"]}, "'cat' has a sentence twice"),
        ('{"cat": ["a"], "cat": ["b"]}', "key 'cat' is listed twice"),
        ([["cat"]], "not a table of sentences - given list"),
        ('{"cat": ', "cannot be read as JSON"),
    ],
)
def test_refused(tmp_path: Path, content: object, expected: str) -> None:
    with pytest.raises(DataError, match=r"sentences\.json - ") as caught:
        with_sentences(NAMES, write(tmp_path, content))
    assert expected in str(caught.value)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    content = {"cat": ["a"], "sea_star": ["b"]} | {f"other {number}": ["c"] for number in range(14)}
    with pytest.raises(DataError, match=r"14 mistakes - .*; and 4 more - write"):
        with_sentences(NAMES, write(tmp_path, content))


def test_names_and_sentences_in_any_language(tmp_path: Path) -> None:
    """Keys by any form of Unicode; the tokenizer of a CLIP tells the words apart."""
    names = [
        ClassName("dog", "собака"), ClassName("cat", "猫"), ClassName("apple", "manzana"),
        ClassName("bear", "Bär"),
    ]  # fmt: skip
    file = tmp_path / "sentences.json"
    content = {
        "собака": ["фотография собаки"],
        "猫": ["一只猫的照片", "小猫"],
        "MANZANA": ["una foto de una manzana"],
        unicodedata.normalize("NFD", "Bär"): ["ein Foto von einem {}"],
    }
    file.write_text(json.dumps(content), encoding="utf-8")
    given = {name.key: name.prompts for name in with_sentences(names, file)}
    assert given["cat"] == ("一只猫的照片", "小猫")
    assert given["dog"] == ("фотография собаки",)
    assert given["bear"] == ("ein Foto von einem {}",)
    model = Classifier.from_clip("adapt-icons-xs", "random", with_sentences(names, file))
    assert model.prompts[3] == ["ein Foto von einem Bär"]
    rows = model.head.weight.detach()
    assert all(not torch.allclose(rows[0], other) for other in rows[1:])
