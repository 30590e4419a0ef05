"""Small tables in HTML, for the results that a notebook shows by itself."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

ROWS = 30
"""Rows that are shown; of more, the first ones and how many are left out."""


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table that takes its look from the page around it.

    Args:
        caption: A line above it.
        header: Names of the columns; empty where they need none.
        rows: A cell for each column; all texts are escaped.

    >>> html_table("two", [], [["a", "<b>"]])
    '<table><caption>two</caption><tbody><tr><th scope="row">a</th><td>&lt;b&gt;</td></tr>\
</tbody></table>'
    """
    given = list(rows)
    shown = [_row(cells) for cells in given[:ROWS]]
    if left := len(given) - ROWS if len(given) > ROWS else 0:
        width = len(given[0])
        shown.append(Markup('<tr><td colspan="{}">and {} more</td></tr>').format(width, left))
    head = Markup()
    if header and given:
        names = Markup().join(Markup('<th scope="col">{}</th>').format(name) for name in header)
        head = Markup("<thead><tr>{}</tr></thead>").format(names)
    return str(
        Markup("<table><caption>{}</caption>{}<tbody>{}</tbody></table>").format(
            caption, head, Markup().join(shown)
        )
    )


def _row(cells: Sequence[object]) -> Markup:
    first, *others = cells
    rest = Markup().join(Markup("<td>{}</td>").format(escape(cell)) for cell in others)
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(escape(first), rest)
