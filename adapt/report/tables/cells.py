"""Tables as text cells that HTML and Markdown both print."""

from collections.abc import Sequence
from dataclasses import dataclass

from adapt.report.record.numbers import Interval, points
from adapt.report.record.read import number


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a smaller second line, and a change that carries a tone.

    Attributes:
      text: What stands in the cell.
      note: An interval or a remark.
      change: A signed change, with an arrow when its interval excludes zero.
      tone: ``better``, ``worse``, ``unclear`` or empty; a colour on top of arrow and sign.
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
    """

    caption: str
    header: list[str]
    rows: list[list[Cell]]
    groups: tuple[tuple[str, int], ...] = ()
    words: int = 1
    legend: str = ""

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


def span(bounds: Interval | None) -> str:
    """An interval of shares in percent; empty when there is none.

    >>> span((0.1, 0.25)), span(None)
    ('10.0 to 25.0', '')
    """
    return "" if bounds is None else f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def signed_span(bounds: Interval | None) -> str:
    """An interval of a difference in points, with signs; empty when there is none.

    >>> signed_span((-0.01, 0.025)), signed_span(None)
    ('-1.0 to +2.5', '')
    """
    return "" if bounds is None else f"{points(bounds[0])} to {points(bounds[1])}"


def count_text(stored: object) -> str:
    """A stored count, or ``n/a``.

    >>> count_text(12), count_text(None)
    ('12', 'n/a')
    """
    count = number(stored)
    return "n/a" if count is None else f"{count:.0f}"


def arrow(bounds: Interval | None) -> tuple[str, str]:
    """The sign that says whether a difference is more than chance, and its tone.

    >>> arrow((0.01, 0.02)), arrow((-0.2, -0.1)), arrow((-0.1, 0.1))
    (('▲', 'better'), ('▼', 'worse'), ('○', 'unclear'))
    """
    if bounds is None or bounds[0] <= 0 <= bounds[1]:
        return "○", "unclear"
    return ("▲", "better") if bounds[0] > 0 else ("▼", "worse")


def difference_cell(value: float | None, bounds: Interval | None) -> Cell:
    """A difference in points over its interval, with the arrow where there is one."""
    if value is None or bounds is None:
        return Cell(points(value))
    return Cell(points(value), signed_span(bounds), *arrow(bounds))


def in_words(names: Sequence[str], most: int = 5) -> str:
    """A list for a sentence, cut after a few.

    >>> in_words(["cup"]), in_words(["cup", "mug", "jar"]), in_words(["cup", "mug", "jar"], 2)
    ('cup', 'cup, mug and jar', 'cup, mug and 1 more')
    """
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
