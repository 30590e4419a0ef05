"""Groups of images by the columns of their table."""

from collections.abc import Sequence

from adapt.common.words import listed
from adapt.data.sources.image_list import ImageList
from adapt.errors import RecipeError, did_you_mean
from adapt.evaluation.robustness.groups import NO_VALUE, columns_of

CROSS = " x "
"""Between the names of two columns, and between the values of a group that both make."""


def groups_by(images: ImageList, names: Sequence[str], cross: bool) -> dict[str, list[str]]:
    """The group of each image by each column.

    Args:
        images: N images of a table.
        names: Columns; the column of groups is called `group`.
        cross: Whether all combinations of the columns are groups too, under the names of all of
            them.

    Returns:
        N values by column; an empty cell is the group `(none)`.

    Raises:
        RecipeError: When a column is not there, named twice or empty, or there is nothing to cross.

    >>> images = ImageList(["a", "b"], ["x", "x"], ["g", ""], None, "/", {})
    >>> groups_by(images, ["group"], cross=False)
    {'group': ['g', '(none)']}
    """
    known, made = columns_of(images), dict[str, list[str]]()
    if not names:
        raise RecipeError(f"--by - missing - no column - name one of {_told(known)}")
    for name in names:
        column = name if name in known else name.strip().lower()
        if column not in known:
            hint = did_you_mean(name, known)
            raise RecipeError(
                f"--by - not a column - {name!r}{hint} - the images have {_told(known)}"
            )
        if column in made:
            raise RecipeError(f"--by - named twice - {name!r} - name each column once")
        if not any(cell.strip() for cell in known[column]):
            raise RecipeError(f"--by - no values - column {name!r} is empty - name another column")
        made[column] = [cell.strip() or NO_VALUE for cell in known[column]]
    if not cross:
        return made
    if len(made) < 2:
        raise RecipeError(f"--cross - nothing to cross - {listed(names)} - name several columns")
    rows = zip(*made.values(), strict=True)
    return made | {CROSS.join(made): [CROSS.join(row) for row in rows]}


def _told(known: dict[str, list[str]]) -> str:
    return listed(list(known)) or "no columns: only tables have some"
