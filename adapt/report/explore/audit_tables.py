"""Tables of `adapt audit`: every group, and every class in every group."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapt.report.record.values import interval
from adapt.report.record.words import percent, points, signed_span, span
from adapt.report.tables.cells import Cell, Table

Content = Mapping[str, Any]
UNCLEAR = ("○", "unclear")
FEW = "too few"


def gap_words(gap: Content) -> str:
    """A gap in words.

    >>> gap_words({"difference": -0.1234})
    '-12.3 points'
    """
    return f"{points(gap['difference'])} points"


def gap_cell(gap: Content | None) -> Cell:
    """A gap with its interval; an arrow where it is clear after all tests were counted.

    >>> gap_cell(None).text
    'too few'
    """
    if gap is None:
        return Cell(FEW)
    marks = UNCLEAR
    if gap["clear"]:
        marks = ("▲", "better") if gap["difference"] > 0 else ("▼", "worse")
    return Cell(points(gap["difference"]), signed_span(interval(gap["ci"])), *marks)


def p_cell(gap: Content | None) -> Cell:
    """An adjusted p-value over the one as measured."""
    if gap is None or gap["p_adjusted"] is None:
        return Cell("-")
    return Cell(p_words(gap["p_adjusted"]), f"{p_words(gap['p'])} alone")


def p_words(value: float) -> str:
    """A p-value as a reader takes it in.

    >>> p_words(0.04), p_words(1e-9)
    ('0.040', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def rate_cell(rate: Content | None) -> Cell:
    """A proportion with its interval; a dash where it is not known."""
    return Cell("-") if rate is None else Cell(percent(rate["value"]), span(interval(rate["ci"])))


def accuracy_table(name: str, told: Content) -> Table:
    """Every group of a column, each against all others.

    Args:
        name: Of the column.
        told: One of `columns` of `audit.json`.
    """
    header = [name, "images", "classes", "accuracy", "balanced", "to the others", "p, adjusted"]
    rows = [
        [
            _name(group, told),
            Cell(f"{group['n']:,}"),
            Cell(f"{group['classes']:,}"),
            rate_cell(group["model"]["accuracy"]),
            rate_cell(group["model"]["balanced"]),
            gap_cell(group["gap"]),
            p_cell(group["gap"]),
        ]
        for group in told["groups"]
    ]
    legend = (
        "Balanced: mean recall of the classes that the group has images of. To the others: minus "
        "the accuracy on all other images, in points. Arrows: clear after all tests were counted."
    )
    return Table(f"Groups by {name}", header, rows, legend=legend)


def change_table(name: str, told: Content) -> Table | None:
    """Every group of a column, the model against its start; None where that is not known.

    Args:
        name: Of the column.
        told: One of `columns` of `audit.json`.
    """
    if told["groups"][0]["start"] is None:
        return None
    header = [name, "images", "zero-shot", "balanced", "change", "p, adjusted"]
    rows = [
        [
            _name(group, told),
            Cell(f"{group['n']:,}"),
            rate_cell(group["start"]["accuracy"]),
            rate_cell(group["start"]["balanced"]),
            gap_cell(None if group["small"] else group["change"]),
            p_cell(group["change"]),
        ]
        for group in told["groups"]
    ]
    legend = "Change: accuracy of the model minus that of zero-shot on the same images, in points."
    return Table(f"Zero-shot by {name}", header, rows, legend=legend)


def _name(group: Content, told: Content) -> Cell:
    few = FEW if group["small"] else ""
    return Cell(group["name"], few, strong=group["name"] == told["worst"])


def recall_table(name: str, told: Content) -> Table:
    """Every class in every group of a column.

    Args:
        name: Of the column.
        told: One of `columns` of `audit.json`.
    """
    header = ["class", name, "images", "recall", "to the others", "p, adjusted"]
    rows = [_of_class(row, gap_cell(row["gap"])) for row in told["recalls"]]
    legend = "To the others: minus the recall of the class on all other images, in points."
    return _with_start(f"Recall of classes by {name}", header, rows, legend)


def _of_class(row: Content, gap: Cell) -> list[Cell]:
    """A class in a group; last what the start has, where that is known."""
    cells = [
        Cell(row["class"]),
        Cell(row["group"], FEW if row["small"] else ""),
        Cell(f"{row['n']:,}"),
        rate_cell(row["model"]),
        gap,
        p_cell(row["gap"]),
    ]
    return cells if row["start"] is None else [*cells, rate_cell(row["start"])]


def _with_start(caption: str, header: list[str], rows: list[list[Cell]], legend: str) -> Table:
    """A table whose last column is zero-shot, where rows have it."""
    known = bool(rows) and len(rows[0]) > len(header)
    columns = [*header, "zero-shot"] if known else header
    return Table(caption, columns, rows, words=2, legend=legend)


def extra_table(name: str, told: Content) -> Table | None:
    """How often each group is answered with a further class; None where none were given.

    Args:
        name: Of the column.
        told: One of `columns` of `audit.json`.
    """
    if not told["extra"]:
        return None
    header = ["further class", name, "images", "answered so", "to the others", "p, adjusted"]
    rows = [_of_class(row, _more_cell(row["gap"])) for row in told["extra"]]
    legend = (
        "Share of the images of a group that are answered with the class, zero-shot, beside those "
        "of the model. ▲: clearly more often than other images."
    )
    return _with_start(f"Further classes by {name}", header, rows, legend)


def _more_cell(gap: Content | None) -> Cell:
    """A gap of which more is worse."""
    cell = gap_cell(gap)
    turned = {"better": "worse", "worse": "better"}
    return replace(cell, tone=turned.get(cell.tone, cell.tone))
