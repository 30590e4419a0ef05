"""What columns of a table say about a split: groups, dates, the split itself."""

from collections import Counter
from dataclasses import replace

from adapt.common.content import content_hashes
from adapt.common.words import first_few
from adapt.data.labels.classes import normal
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.dates import Moment, cut_by_date, in_order, read_moment
from adapt.data.splits.groups import own_groups
from adapt.errors import DataError, did_you_mean


def column_of(images: ImageList, name: str) -> list[str]:
    """One column of the table the images came from, found without regard to case.

    Args:
        images: Images.
        name: `group`, `split`, or the name of another column.

    Returns:
        A text for each image; it may be empty.

    Raises:
        DataError: When there is no such column, naming those there are.
    """
    named = {"group": images.groups, "split": images.splits} | images.columns
    known = {column: values for column, values in named.items() if values is not None}
    for wanted in (name, normal(name.strip()).lower()):
        if wanted in known:
            return known[wanted]
    there = ", ".join(sorted(known)) or "none: only tables have columns"
    given = f"{name!r}{did_you_mean(name, known)}"
    raise DataError(f"{images.root} - no such column - {given} - choose from {there}")


def with_groups(images: ImageList, column: str | None = None) -> ImageList:
    """Images whose groups are those of a column; one without a value is a group of its own.

    Args:
        images: Images.
        column: Any column of their table; None keeps the groups they have.

    Returns:
        The same images, with a note on those without a group.

    Raises:
        DataError: When there is no such column, or every cell of it is empty.
    """
    values = images.groups if column is None else column_of(images, column)
    if values is None:
        return images
    lacking = [index for index, value in enumerate(values) if not value.strip()]
    if not lacking:
        return replace(images, groups=list(values), notes=list(images.notes))
    name = column or "group"
    if len(lacking) == len(values):
        advice = "fill it in or choose another"
        raise DataError(
            f"{images.root}, column {name!r} - no groups - every cell is empty - {advice}"
        )
    keys = [""] * len(values)
    hashes = content_hashes([images.paths[index] for index in lacking])
    for index, digest in zip(lacking, hashes, strict=True):
        keys[index] = digest
    note = f"{len(lacking)} of {len(values)} images have no {name!r}: each is a group of its own"
    return replace(images, groups=own_groups(values, keys), notes=[*images.notes, note])


def split_by_date(
    images: ImageList, column: str, fraction: float
) -> tuple[ImageList, ImageList, list[str]]:
    """Hold out the newest images by a column of dates (ISO 8601); see `cut_by_date`.

    Args:
        images: Images of a table.
        column: Its column of dates or timestamps; where one has no time of day, whole days count.
        fraction: Share to hold out, above 0 and below 1.

    Returns:
        Train, val, and what is worth knowing.

    Raises:
        DataError: When there is no such column, a cell is empty or no date (naming the image),
            only some have a time zone, or nothing could be held out.
    """
    if images.several_labels:
        given, advice = f"by date, column {column!r}", "hold out a fraction, or by split"
        raise DataError(f"{images.root} - not for several labels per image - {given} - {advice}")
    dates = _dates(images, column)
    cut = cut_by_date(dates, images.labels, fraction, images.groups)
    if len(cut.val) == 0:
        given = f"{fraction} of {len(images)} images, {len(set(dates))} dates, {images.counts()}"
        if cut.late:
            given += f", no image before {cut.first} of {first_few(cut.late)}"
        advice = "add images, or hold out a fraction at random"
        where = f"{images.root}, column {column!r}"
        raise DataError(f"{where} - nothing left for validation - {given} - {advice}")
    counted = f"{len(cut.val)} of {len(images)} images"
    first, counts = cut.first.replace(".000000", ""), images.counts()
    notes = [f"val holds the newest images by {column!r}: {counted}, from {first} on"]
    notes += [
        f"{label} has no image before {first}: it is in train ({counts[label]} images)"
        for label in cut.late
    ]
    return images.subset(cut.train), images.subset(cut.val), notes


def _dates(images: ImageList, column: str) -> list[str]:
    cells = column_of(images, column)
    moments: list[Moment] = []
    advice = "write 2024-05-31, or 2024-05-31T18:00:00+02:00"
    for index, cell in enumerate(cells):
        moment = read_moment(cell)
        if moment is None:
            what = "not a date" if cell.strip() else "no date"
            raise DataError(f"{_cell(images, index, column)} - {what} - {cell!r} - {advice}")
        moments.append(moment)
    texts, odd = in_order(moments)
    if odd is not None:
        given = f"{cells[odd]!r}, and {cells[0]!r} in the row of {images.relative(0)}"
        advice = "give all times a time zone, or none"
        where = _cell(images, odd, column)
        raise DataError(f"{where} - a time zone for some times only - {given} - {advice}")
    return texts


def _cell(images: ImageList, index: int, column: str) -> str:
    return f"{images.root}, row of {images.relative(index)}, column {column!r}"


def split_by_value(images: ImageList, value: str) -> tuple[ImageList, ImageList, list[str]]:
    """The split that the column `split` of a table says: its rows of `train`, and those of `value`.

    Args:
        images: Images of a table, all its rows.
        value: What the rows of val say.

    Returns:
        Train, val, and how many images are in neither.

    Raises:
        DataError: When there is no column `split`, or it lacks one of the two; lists what there is.
    """
    if images.splits is None:
        given = f"val is to be the rows of {value!r}"
        advice = "add the column, or give val a source of its own"
        raise DataError(f"{images.root} - no column 'split' - {given} - {advice}")
    counts = Counter(images.splits)
    there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    wanted = normal(value.strip())
    for name in ("train", wanted):
        if name not in counts:
            hint = did_you_mean(name, counts)
            where = f"{images.root}, column 'split'"
            advice = "correct it; data.train.split must not be given, it takes some rows only"
            raise DataError(f"{where} - no row of {name!r}{hint} - there are {there} - {advice}")
    if wanted == "train":
        advice = "name the rows of val"
        raise DataError(f"{images.root} - val would be train - {value!r} of {there} - {advice}")
    rows = {
        name: [index for index, split in enumerate(images.splits) if split == name]
        for name in ("train", wanted)
    }
    rest = {name: count for name, count in sorted(counts.items()) if name not in rows}
    listed = ", ".join(f"{name} ({count})" for name, count in rest.items())
    left_out = f"{sum(rest.values())} images are in neither train nor val by their split: {listed}"
    return images.subset(rows["train"]), images.subset(rows[wanted]), [left_out] if rest else []
