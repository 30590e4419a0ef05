"""Groups of a class and the value of a column."""

import numpy as np
import pytest

from adapt.data.loading.groups import Groups, values_of
from adapt.data.sources.image_list import ImageList
from adapt.errors import DataError, RecipeError

IMAGES = ImageList(
    ["1", "2", "3", "4", "5"],
    ["cat", "dog", "dog", "cat", "dog"],
    None,
    None,
    "/",
    {},
    columns={"place": ["sea", "sea", "land", "", "sea"]},
)


def test_groups_are_the_pairs_that_occur() -> None:
    groups = Groups.of(IMAGES, "place", ["dog", "cat"])
    assert groups.names == ["dog, land", "dog, sea", "cat, (none)", "cat, sea"]
    named = [groups.names[number] for number in groups.numbers]
    assert named == ["cat, sea", "dog, sea", "dog, land", "cat, (none)", "dog, sea"]
    assert groups.counts.tolist() == [1, 2, 1, 1]


def test_without_a_column_the_classes_are_the_groups() -> None:
    groups = Groups.of(IMAGES, "", ["cat", "dog"])
    assert groups.names == ["cat", "dog"]
    assert (groups.numbers == IMAGES.targets(["cat", "dog"])).all()


def test_other_images_get_the_same_numbers() -> None:
    first, known = values_of(IMAGES.subset([0, 2]), "place")
    assert (first.tolist(), known) == ([1, 0], ["land", "sea"])
    second, more = values_of(IMAGES, "place", known)
    assert more == ["land", "sea", "(none)"]
    assert second.tolist() == [1, 1, 0, 2, 1]
    assert second.dtype == np.int64


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="no such column"):
        Groups.of(IMAGES, "plaice", ["cat", "dog"])
    several = ImageList(["1"], ["cat|dog"], None, None, "/", {}, label_sets=[("cat", "dog")])
    with pytest.raises(RecipeError, match="no groups for several labels"):
        values_of(several, "")
