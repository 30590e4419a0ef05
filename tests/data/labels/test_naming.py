"""Words for labels, and positions of labels in a list of classes."""

from pathlib import Path

import numpy as np

from adapt.data.labels.classes import ClassName
from adapt.data.sources.folders import from_folder
from tests.helpers.packed import draw, refused


def test_words(root: Path) -> None:
    given = {"cat": ClassName("cat", "house cat"), "dgo": ClassName("dgo", "dog")}
    images = from_folder(root, given)
    assert [images.classes[key].words for key in images.class_names] == ["house cat", "dog"]
    assert images.notes == ["1 named classes do not occur: 'dgo', did you mean 'dog'?"]
    same = {"cat": ClassName("cat", "Dog")}
    assert "'cat' and 'dog' are both 'dog'" in refused(from_folder, root, same)


def test_numeric_names_survive(tmp_path: Path) -> None:
    for name in ("1", "2", "10"):
        draw(tmp_path / name / "1.png")
    images = from_folder(tmp_path)
    assert images.class_names == ["1", "10", "2"]
    assert images.targets(["10", "2", "1"]).tolist() == [2, 0, 1]
    assert images.notes[0].startswith("3 class names have no letter (1, 10, 2)")


def test_targets_join_by_name(root: Path) -> None:
    images = from_folder(root)
    targets = images.targets(["dog", "cat", "fox"])
    assert targets.tolist() == [1, 1, 0, 0]
    assert targets.dtype == np.int64
    assert refused(images.targets, ["cat", "dogs"]) == (
        f"{root}/dog/a.png - unknown class - 'dog', did you mean 'dogs'? - known are: cat, dogs"
    )
