"""Groups by columns of the table."""

from dataclasses import replace

import pytest

from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError
from adapt.explore.audit.columns import groups_by

IMAGES = ImageList(
    ["1", "2", "3"],
    ["cat"] * 3,
    ["g", "g", "h"],
    None,
    "/",
    {},
    columns={"site": ["a", "", "b "], "year": ["1", "1", "2"], "none": ["", "", ""]},
)


def test_columns_and_their_combinations() -> None:
    assert groups_by(IMAGES, ["Site"], False) == {"site": ["a", "(none)", "b"]}
    both = groups_by(IMAGES, ["site", "group"], True)
    assert list(both) == ["site", "group", "site x group"]
    assert both["site x group"] == ["a x g", "(none) x g", "b x h"]


@pytest.mark.parametrize(
    ("names", "cross", "problem"),
    [
        (["sight"], False, r"--by - not a column - 'sight', did you mean 'site'\?"),
        ([], False, "--by - missing"),
        (["site", "site"], False, "named twice"),
        (["none"], False, "no values"),
        (["site"], True, "--cross - nothing to cross"),
    ],
)
def test_what_is_refused(names: list[str], cross: bool, problem: str) -> None:
    with pytest.raises(RecipeError, match=problem):
        groups_by(IMAGES, names, cross)


def test_images_without_a_table() -> None:
    bare = replace(IMAGES, columns={}, groups=None)
    with pytest.raises(RecipeError, match="no columns: only tables have some"):
        groups_by(bare, ["site"], False)
