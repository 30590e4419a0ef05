"""Files of class names that are wrong."""

from pathlib import Path

import pytest

from adapt.data.labels.classes import read_classes
from adapt.errors import DataError


def refused_classes(folder: Path, text: str) -> str:
    path = folder / "classes.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_classes(path)
    return str(caught.value).removeprefix(f"{path} - ")


def test_classes_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text("cat: house cat\nbig_dog: {prompts: ['a {}']}\n'7': seven\n", encoding="utf-8")
    classes = read_classes(path)
    assert [(c.key, c.words, c.prompts) for c in classes.values()] == [
        ("cat", "house cat", ()),
        ("big_dog", "big dog", ("a {}",)),
        ("7", "seven", ()),
    ]
    assert refused_classes(tmp_path, "7: seven").startswith("a folder must be text - 7 is int")
    twice = refused_classes(tmp_path, "a: Caf\u00e9\nb: CAFE\u0301")
    assert twice.startswith("two classes have equal words - 'a' and 'b' are both")
    assert "is listed twice" in refused_classes(tmp_path, "a: x\na: y")
    assert "aliases" in refused_classes(tmp_path, "a: &x one\nb: *x")
    assert "could not determine a constructor" in refused_classes(
        tmp_path, "a: !!python/object/apply:os.system ['touch /tmp/owned']"
    )
    assert "did you mean 'words'" in refused_classes(tmp_path, "a: {word: x}")
    path.write_text("a: '1'\n", encoding="utf-8")
    with pytest.warns(UserWarning, match="words without a letter - 1 -"):
        read_classes(path)
