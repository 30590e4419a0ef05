"""The figures of the learning curve, for all images and each class."""

import numpy as np
import pytest

from adapt.explore.suggest.how_many import how_many
from tests.helpers.pools import random_pool

NAMES = ["a", "b", "c", "d", "none"]
SILENT = np.ones((5, 8), np.float32)


def test_what_it_says() -> None:
    pool = random_pool(1, 40)
    said = how_many(pool.labelled, pool.targets, SILENT, NAMES, 20)
    assert said is not None
    assert said["labelled"] == 40
    assert [step["images"] for step in said["more"]] == [20, 40, 80]
    for step in said["more"]:
        low, high = step["accuracy"]["ci"]
        assert 0 <= low <= step["accuracy"]["value"] <= high <= 1
    classes = {row["name"]: row for row in said["classes"]}
    assert classes["none"] == {"name": "none", "labelled": 0, "now": None, "gain": None}
    assert [classes[k]["labelled"] for k in "abcd"] == np.bincount(pool.targets).tolist()
    gains = [row["gain"]["value"] for row in said["classes"] if row["gain"]]
    assert gains == sorted(gains, reverse=True)
    assert said == how_many(pool.labelled, pool.targets, SILENT, NAMES, 20)


def test_nothing_is_said_of_more_than_was_checked() -> None:
    pool = random_pool(1, 15)
    said = how_many(pool.labelled, pool.targets, SILENT, NAMES, 500)
    assert said is not None
    assert [step["images"] for step in said["more"]] == [said["farthest"]] == [30]
    assert said["classes_images"] == 30


@pytest.mark.parametrize("count", [0, 9, 20])
def test_too_few_labels_or_one_class(count: int) -> None:
    pool = random_pool(1, count, classes=1)
    assert how_many(pool.labelled, pool.targets, SILENT, NAMES, 5) is None
