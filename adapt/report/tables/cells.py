"""Tables as text cells that HTML and Markdown both print."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.report.record.values import Interval, interval
from adapt.report.record.words import points, signed_span


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, and a change that carries a tone.

    Attributes:
        text: The main line of the cell.
        note: An interval or a remark.
        change: A signed change, with an arrow when its interval excludes zero.
        tone: `better`, `worse`, `unclear` or empty; a colour on top of arrow and sign.
        strong: In the first cell of a row, whether the row stands out.
    """

    text: str
    note: str = ""
    change: str = ""
    tone: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        header: One heading per column.
        rows: Cells; the first of each row names it.
        groups: An optional row of wide headings as (text, columns).
        words: How many columns from the left hold words; the others hold numbers.
        legend: What the columns mean, and how far they can be trusted.
        folded: For a long table of the page that starts closed, the words that open it.
    """

    caption: str
    header: list[str]
    rows: list[list[Cell]]
    groups: tuple[tuple[str, int], ...] = ()
    words: int = 1
    legend: str = ""
    folded: str = ""

    def flat_header(self) -> list[str]:
        """The header with each group's heading put before its columns."""
        if not self.groups:
            return self.header
        prefixes = [text for text, span in self.groups for _ in range(span)]
        return [f"{p}: {h}" if p else h for p, h in zip(prefixes, self.header, strict=True)]


@dataclass(frozen=True)
class Text:
    """A paragraph between figures and tables."""

    words: str


def arrow(bounds: Interval | None) -> tuple[str, str]:
    """The sign that says whether a difference is more than chance, and its tone.

    >>> arrow((0.01, 0.02)), arrow((-0.2, -0.1)), arrow((-0.1, 0.1))
    (('▲', 'better'), ('▼', 'worse'), ('○', 'unclear'))
    """
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return "○", "unclear"
    return ("▲", "better") if bounds[0] > 0 else ("▼", "worse")


def difference_cell(entry: Mapping[str, Any], name: str = "difference", ci: str = "ci") -> Cell:
    """A stored difference in points over its interval, with the arrow where there is one."""
    text, bounds = points(entry.get(name)), interval(entry.get(ci))
    if text == "n/a" or bounds is None:
        return Cell(text)
    return Cell(text, signed_span(bounds), *arrow(bounds))
