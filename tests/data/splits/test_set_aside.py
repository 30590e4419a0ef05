"""A test set by content: proportional, stable, and never split between copies or groups."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.image_list import ImageList
from adapt.data.splits.set_aside import automatic_folds, set_aside


def images_of(
    folder: Path, counts: dict[str, int], groups: list[str] | None = None, copies: bool = False
) -> ImageList:
    paths, labels = [], []
    for label, count in counts.items():
        for number in range(count):
            path = folder / f"{label}{number}"
            path.write_text(f"{label}{number // 2 if copies else number}")
            paths.append(str(path))
            labels.append(label)
    return ImageList(paths, labels, groups, None, str(folder), {})


def test_each_class_gives_its_fraction_whatever_the_order(tmp_path: Path) -> None:
    images = images_of(tmp_path, {"cat": 20, "dog": 35, "fox": 5})
    rest, test, note = set_aside(images, 0.2)
    assert test is not None
    assert test.counts() == {"cat": 4, "dog": 7, "fox": 1}
    assert sorted(rest.paths + test.paths) == sorted(images.paths)
    assert note.startswith("test: 12 of 60 images (20 %) are set aside by their content")
    order = np.random.default_rng(0).permutation(len(images))
    _, again, _ = set_aside(images.subset(order), 0.2)
    assert again is not None
    assert set(again.paths) == set(test.paths)
    more = images_of(tmp_path, {"cat": 40, "dog": 35, "fox": 5})
    _, later, _ = set_aside(more, 0.2)
    assert later is not None
    assert set(test.paths) - set(later.paths) <= {path for path in test.paths if "cat" in path}


def test_copies_and_groups_stay_together(tmp_path: Path) -> None:
    images = images_of(tmp_path, {"cat": 40, "dog": 40}, copies=True)
    rest, test, _ = set_aside(images, 0.25)
    assert test is not None
    content = [{Path(path).read_text() for path in part.paths} for part in (rest, test)]
    assert not content[0] & content[1]
    assert Counter(test.labels) == {"cat": 10, "dog": 10}
    groups = [f"camera {number // 8}" for number in range(80)]
    rest, test, note = set_aside(images_of(tmp_path, {"cat": 40, "dog": 40}, groups), 0.2)
    assert test is not None
    assert not set(rest.groups or []) & set(test.groups or [])
    assert test.counts() == {"cat": 8, "dog": 8}
    assert "whole groups" in note


def test_too_few_images_are_not_set_aside(tmp_path: Path) -> None:
    images = images_of(tmp_path, {"cat": 4, "dog": 4, "fox": 4})
    rest, test, note = set_aside(images, 0.2)
    assert test is None
    assert len(rest) == 12
    assert "2 of 12 images (20 %) would be fewer than one for each of 3 classes" in note


@pytest.mark.parametrize(
    ("counts", "groups", "folds"),
    [
        ({"cat": 130, "dog": 130}, None, 0),
        ({"cat": 120, "dog": 120}, None, 5),  # a fifth is 48
        ({str(number): 24 for number in range(11)}, None, 5),  # 52 in all, 4.8 per class
        ({"cat": 3, "dog": 2}, None, 5),
        ({"cat": 2, "dog": 2}, None, 4),
        ({"cat": 3, "dog": 1}, None, 3),  # the only dog is in train of every fold
        ({"cat": 40, "dog": 40}, [str(number % 3) for number in range(80)], 3),
    ],
)
def test_folds_are_for_few_images(
    counts: dict[str, int], groups: list[str] | None, folds: int
) -> None:
    labels = [label for label, count in counts.items() for _ in range(count)]
    assert automatic_folds(ImageList([""] * len(labels), labels, groups, None, ".", {})) == folds
