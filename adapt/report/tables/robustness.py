"""Tables of the robustness measures: shifts, corruptions, flips, retention, groups."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.measures import entries, id_name, no_line, shift_entries, shift_models
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ZERO_SHOT
from adapt.report.record.values import interval, mapping, mean, number
from adapt.report.record.words import count, decimal, percent, points, span
from adapt.report.tables.cells import Cell, Table, difference_cell
from adapt.report.tables.scores import eval_note

GROUPS_SHOWN = 30
SMALL_GROUP = 20
SMALL_GAP = 0.02
_MEASURES = ("id", "ood", "effective", "relative")
_EFFECTIVE_LEGEND = (
    "Effective: accuracy on the shift minus what the line of usual accuracy predicts (small: its "
    "95 % interval, which does not include the uncertainty of the line). "
)
_RELATIVE_LEGEND = (
    "Relative: accuracy minus "
    "that of zero-shot on the shift. Gap closed: the part of zero-shot's gap between {test} and "
    "the shift that is gone; below 0 the gap grew. For gaps under 2 points it would be noise and "
    "is n/a."
)


def effective_table(run: RunRecord) -> Table | None:
    """Robustness of the shipped and of the adapted model, shift by shift."""
    known = {shift: entry for shift, entry in shift_entries(run).items() if shift_models(entry)}
    wanted = list(dict.fromkeys([run.scores.shipped, "adapted"]))
    rows = []
    for shift, entry in known.items():
        shown = [model for model in wanted if model in shift_models(entry)]
        for place, model in enumerate(shown):
            name = Cell(shift, _shift_note(entry, not no_line(run))) if place == 0 else Cell("")
            cells = _shift_cells(run, model, entry)
            rows.append([name, *cells])
    if not rows:
        return None
    if len(known) > 1:
        for model in wanted:
            rows += _mean_row(run, model, list(known.values()))
    base = id_name(run)
    header = ["shift", "model", base, "shift", "effective", "relative", "gap closed"]
    legend = _RELATIVE_LEGEND.format(test=base)
    if no_line(run):
        rows = [row[:4] + row[5:] for row in rows]
        header.remove("effective")
    else:
        legend = _EFFECTIVE_LEGEND + legend
    return Table("Robustness by shift", header, rows, words=2, legend=legend)


def _shift_note(entry: Mapping[str, Any], stated: bool) -> str:
    classes, reason = number(entry.get("classes")), entry.get("reason")
    notes = [f"on its {classes:g} classes"] if classes is not None else []
    notes += [f"no line: {reason}"] if reason and stated else []
    return "; ".join(notes)


def _shift_cells(run: RunRecord, model: str, entry: Mapping[str, Any]) -> list[Cell]:
    row, start = (shift_models(entry).get(name, {}) for name in (model, ZERO_SHOT))
    before = [number(start.get(key)) for key in ("id", "ood")]
    gap = None if before[0] is None or before[1] is None else before[0] - before[1]
    return [
        Cell(run.scores.heading(model)),
        Cell(percent(row.get("id"))),
        Cell(percent(row.get("ood"))),
        difference_cell(row, "effective", "effective_ci"),
        Cell(points(row.get("relative"))),
        _gap_cell(number(row.get("gap_closed")), gap),
    ]


def _gap_cell(closed: float | None, gap: float | None) -> Cell:
    """The closed part of a gap; of a tiny gap it would be noise and is not written."""
    if gap is None or gap >= SMALL_GAP:
        return Cell(percent(closed))
    return Cell("n/a", f"the gap was {points(gap)}")


def _mean_row(run: RunRecord, model: str, shifts: list[Mapping[str, Any]]) -> list[list[Cell]]:
    rows = [shift_models(entry).get(model, {}) for entry in shifts]
    values = {key: mean([number(row.get(key)) for row in rows]) for key in _MEASURES}
    if values["ood"] is None:
        return []
    # A mean of fractions of gaps means nothing: one shift with a small gap would outweigh the rest.
    cells = _shift_cells(run, model, {"models": {model: values}})[:-1]
    note = f"{len(shifts)} shifts, each counting once"
    return [[Cell("mean of shifts", note, strong=model == run.scores.shipped), *cells, Cell("")]]


def corruption_table(run: RunRecord) -> Table | None:
    """Errors under each kind of corruption, relative to zero-shot."""
    stored = entries(run, "corruption_error")
    shown = [model for model in run.scores.models if model in stored and model != ZERO_SHOT]
    by_kind = [mapping(stored[model].get("kinds")) for model in shown]
    kinds = list(dict.fromkeys(kind for ratios in by_kind for kind in ratios))
    if not kinds:
        return None
    rows = [[Cell(kind), *(_ratio(ratios.get(kind)) for ratios in by_kind)] for kind in kinds]
    means = [_ratio(stored[model].get("mean")) for model in shown]
    rows.append([Cell("mean of kinds", strong=True), *means])
    legend = (
        "Errors of the model, summed over severities, divided by those of zero-shot: below 1 the "
        "model makes fewer errors than zero-shot. Compare within this run only."
    )
    header = ["kind", *(run.scores.heading(model) for model in shown)]
    return Table("Corruption error (zero-shot = 1)", header, rows, legend=legend)


def _ratio(stored: object) -> Cell:
    value = number(stored)
    return Cell("n/a", "zero-shot makes no error") if value is None else Cell(decimal(value, 2))


def flip_table(run: RunRecord) -> Table | None:
    """Changed predictions against zero-shot, and what became of them."""
    rows = []
    for name, entry in entries(run, "flips").items():
        rate, gained, lost = (number(entry.get(key)) for key in ("rate", "gained", "lost"))
        known = rate is not None and gained is not None and lost is not None
        neither = rate - gained - lost if known else None  # type: ignore[operator]
        rows.append(
            [
                Cell(name, eval_note(run.scores, name)),
                Cell(count(entry.get("n"))),
                Cell(percent(rate), span(interval(entry.get("ci")))),
                Cell(percent(gained)),
                Cell(percent(lost)),
                Cell(percent(None if neither is None else max(0.0, neither))),
            ]
        )
    header = ["eval", "n", "changed", "gained", "lost", "wrong both times"]
    legend = (
        "From zero-shot to the shipped model, in percent of all images; changed with its 95 % "
        "interval. Gained minus lost is the change in accuracy."
    )
    return Table("Changed predictions", header, rows, legend=legend) if rows else None


def retention_table(run: RunRecord) -> Table | None:
    """Accuracy on other classes before and after."""
    rows = [
        [
            Cell(name),
            Cell(count(entry.get("n"))),
            Cell(count(entry.get("classes"))),
            Cell(percent(entry.get("before"))),
            Cell(percent(entry.get("after"))),
            difference_cell(entry),
        ]
        for name, entry in entries(run, "retention").items()
    ]
    header = ["eval", "n", "classes", "zero-shot", "shipped", "difference"]
    legend = (
        "Images of classes that the model was not adapted to. The head is made from the names of "
        "these classes by each model's own text encoder. ▼: something was clearly forgotten."
    )
    return Table("Retention on other classes", header, rows, legend=legend) if rows else None


def group_tables(run: RunRecord) -> list[Table]:
    """One table per eval and metadata column, worst group first."""
    return [
        _group_table(run, name, str(column), mapping(stored))
        for name, columns in entries(run, "groups").items()
        for column, stored in columns.items()
        if mapping(stored).get("rows")
    ]


def _group_table(run: RunRecord, name: str, column: str, stored: Mapping[str, Any]) -> Table:
    listed = [mapping(row) for row in stored["rows"]]
    ordered = sorted(listed, key=lambda row: (not row.get("ranked"), _accuracy(row)))
    rows = [_group_row(row, stored.get("worst")) for row in ordered[:GROUPS_SHOWN]]
    gap = number(stored.get("gap"))
    distance = "" if gap is None else f"; best and worst are {100 * gap:.1f} points apart"
    legend = (
        f"Shipped model{distance}. Groups of fewer than {SMALL_GROUP} images are listed last and "
        "are not ranked, because chance would decide among them."
    )
    if len(listed) > GROUPS_SHOWN:
        legend += f" The first {GROUPS_SHOWN} of {len(listed)} groups are shown."
    header = [column, "n", "accuracy", "zero-shot", "change"]
    return Table(f"Groups of {name} by {column}", header, rows, legend=legend)


def _accuracy(row: Mapping[str, Any]) -> float:
    value = number(row.get("accuracy"))
    return 2.0 if value is None else value


def _group_row(row: Mapping[str, Any], worst: object) -> list[Cell]:
    after, before = number(row.get("accuracy")), number(row.get("before"))
    change = None if after is None or before is None else after - before
    ranked, bounds = bool(row.get("ranked")), interval(row.get("ci"))
    is_worst = ranked and row.get("value") == worst
    note = "▼ worst group" if is_worst else "" if ranked else "few images, not ranked"
    return [
        Cell(str(row.get("value")), note, strong=is_worst),
        Cell(count(row.get("n"))),
        Cell(percent(after), span(bounds)),
        Cell(percent(before)),
        Cell(points(change)),
    ]
