"""Tables of a comparison: sets, classes and groups, confidence, speed and size."""

from collections.abc import Mapping, Sequence
from typing import Any

from adapt.common.words import plural
from adapt.report.comparison.verdict import p_words, tone_of
from adapt.report.record.scores import mean_of
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import decimal, percent, points, signed_span, span
from adapt.report.tables.cells import Cell, Table, arrow

Content = Mapping[str, Any]
ROWS = 60
"""Rows of a table of classes or groups in the page; `diff.json` holds all."""
SETS_LEGEND = (
    "Below each accuracy its 95 % interval (Wilson), below the difference in points that of paired "
    "proportions (Newcombe 1998, method 10). p: McNemar's exact test. ▲ / ▼: p is below 0.05."
)
PARTS_LEGEND = (
    "p is adjusted for the number of rows (Holm): ▲ / ▼ are clear whichever row you look at. Rows "
    "that lost most come first."
)
_SIGNS = {"better": "▲", "worse": "▼", "unclear": "○"}


def sets_table(content: Content) -> Table:
    """Accuracy of both models on every set."""
    rows = [
        _row(_set_name(name, own, content), own["accuracy"], "p", name == content["main"])
        for name, own in content["sets"].items()
    ]
    mean = mapping(content.get("shift_mean"))
    if mean and mean["shifts"] > 1:
        clear = interval(mean["ci"])
        names = [name for name in content["sets"] if name != content["main"]]
        cells = [Cell(mean_of(names)), Cell(""), Cell(percent(mean["a"])), Cell(percent(mean["b"]))]
        difference = Cell(points(mean["difference"]), signed_span(clear), *arrow(clear))
        rows.append([*cells, difference, Cell(""), Cell(""), Cell("")])
    legend = SETS_LEGEND
    if mean and mean["shifts"] > 1:
        legend += " The interval of the mean is the mean of their ends: never too narrow."
    return Table("Accuracy on the same images", _header("set"), rows, legend=legend)


def parts_table(caption: str, first: str, given: Sequence[Content]) -> Table:
    """Accuracy of both models in every class or group.

    Args:
        caption: What the table shows.
        first: What a row is.
        given: Rows, those that lost most first.
    """
    rows = [_row(str(row["name"]), row, "p_holm") for row in _ends(given)]
    left = len(given) - len(rows)
    more = f" {plural(left, 'row')} in the middle {'is' if left == 1 else 'are'} in `diff.json`."
    legend = PARTS_LEGEND + (more if left else "")
    folded = f"{caption}: all {len(rows)} rows" if len(rows) > 24 else ""
    return Table(caption, _header(first), rows, legend=legend, folded=folded)


def _ends(given: Sequence[Content]) -> list[Content]:
    half = ROWS // 2
    return list(given) if len(given) <= ROWS else [*given[:half], *given[-half:]]


def _header(first: str) -> list[str]:
    return [first, "images", "A", "B", "B - A, points", "p", "fixed", "broken"]


def _row(name: str, row: Content, key: str, strong: bool = False) -> list[Cell]:
    tone = tone_of(row, key)
    change = Cell(points(row["difference"]), signed_span(interval(row["ci"])), _SIGNS[tone], tone)
    return [
        Cell(name, strong=strong),
        Cell(f"{row['n']:,}"),
        *(Cell(percent(row[side]), span(interval(row[f"{side}_ci"]))) for side in ("a", "b")),
        change,
        Cell(p_words(row[key]).removeprefix("p ").removeprefix("= ")),
        Cell(f"{row['fixed']:,}"),
        Cell(f"{row['broken']:,}"),
    ]


def _set_name(name: str, own: Content, content: Content) -> str:
    shift = mapping(own.get("shift"))
    if shift:
        return f"{name} ({shift['kind']} {shift['severity']})"
    return f"{name} (test)" if name == content["main"] and name != "test" else name


def confidence_table(content: Content) -> Table:
    """Calibration, abstention and conformal sets of both models on every set."""
    rows = [
        row for name, own in content["sets"].items() for row in _confidence_rows(name, own, content)
    ]
    legend = (
        "Calibration error: gap between confidence and accuracy (ECE, 15 bins); below it what a "
        "calibrated model of these confidences shows in 95 of 100 sets at most. Abstention and "
        "sets use the threshold that each model stores, and all classes that it knows."
    )
    return Table(
        "Calibration, abstention and sets",
        ["set", "", "A", "B", "B - A"],
        rows,
        words=2,
        legend=legend,
    )


def _confidence_rows(name: str, own: Content, content: Content) -> list[list[Cell]]:
    title, scores = _set_name(name, own, content), own["scores"]
    chance = own["ece_by_chance"]
    notes = [
        f"at most {decimal(mapping(chance[side]).get('most'))} by chance" if chance[side] else ""
        for side in ("a", "b")
    ]
    rows = [
        _pair(title, "calibration error", scores, "ece", decimal, notes),
        _pair("", "negative log-likelihood", scores, "nll", decimal),
    ]
    if answered := own["answered"]:
        bounds = [span(interval(answered[side]["coverage_ci"])) for side in ("a", "b")]
        rows.append(_pair("", "answered", answered, "coverage", percent, bounds))
        rows.append(_pair("", "accuracy of answers", answered, "accuracy", percent))
    if sets := own["sets"]:
        bounds = [span(interval(sets[side]["coverage_ci"])) for side in ("a", "b")]
        rows.append(_pair("", "sets that hold the true class", sets, "coverage", percent, bounds))
        rows.append(_pair("", "mean size of a set", sets, "size", lambda value: decimal(value, 2)))
    return rows


def _pair(
    title: str,
    what: str,
    given: Content,
    key: str,
    form: Any,
    notes: Sequence[str] = ("", ""),
) -> list[Cell]:
    """One number of both models and its change."""
    values = [given[side][key] for side in ("a", "b")]
    before, after = map(number, values)
    change = "n/a"
    if before is not None and after is not None:
        change = points(after - before) if form is percent else f"{after - before:+.3f}"
    shown = [Cell(form(value), note) for value, note in zip(values, notes, strict=True)]
    return [Cell(title), Cell(what), *shown, Cell(change)]


def cost_table(content: Content) -> Table:
    """Latency and size of both models."""
    rows: list[list[Cell]] = []
    times = mapping(content.get("latency"))
    for key, what in (("single", "one image"), ("batch", "batches")):
        own = mapping(times.get(key))
        if own:
            title = what if key == "single" else f"batches of {own['images']}"
            cells = [
                Cell(
                    f"{own[side]['median']:.1f} ms",
                    f"{own[side]['low']:.1f} to {own[side]['high']:.1f}",
                )
                for side in ("a", "b")
            ]
            change = Cell(_change(own["change"]), "median of the rounds")
            rows.append([Cell(f"latency, {title}"), *cells, change])
    sizes = [content[side]["bytes"] for side in ("a", "b")]
    grown = sizes[1] / sizes[0] - 1 if all(sizes) else None
    rows.append([Cell("size on disk"), *map(_size, sizes), Cell(_change(grown))])
    legend = _cost_legend(content, times)
    return Table("What a prediction costs", ["", "A", "B", "change"], rows, legend=legend)


def cell_text(cell: Cell) -> str:
    """All that a cell says, in one line."""
    note = f" ({cell.note})" if cell.note else ""
    return f"{cell.text}{note} {cell.change}".strip()


def cost_lines(content: Content) -> list[str]:
    """Latency and size, a line each."""
    lines = [
        f"{name.text}: {before.text} → {after.text} "
        f"({change.text}{', ' if change.note else ''}{change.note})"
        for name, before, after, change in cost_table(content).rows
        if "n/a" not in (before.text, after.text)
    ]
    missing = [] if content["latency"] else [f"latency: not measured, {content['no_latency']}"]
    return [*lines, *missing]


def _cost_legend(content: Content, times: Content) -> str:
    if not times:
        return f"Latency was not measured: {content['no_latency']}."
    rounds = times["single"]["rounds"]
    where = " and ".join(dict.fromkeys(times["device"].values())).replace("cpu", "the CPU")
    return (
        "Milliseconds per image from decoded pixels to the prediction, on "
        f"{where} with {plural(times['threads'], 'thread')}. The models took turns "
        f"({plural(rounds, 'round')} of single images): median, below it the lowest and highest. "
        "Change: the median over the rounds of B against A."
    )


def _change(value: float | None) -> str:
    return "n/a" if value is None else f"{round(100 * value) + 0:+d} %"


def _size(count: int | None) -> Cell:
    return Cell("n/a" if count is None else f"{count / 1e6:,.1f} MB")
