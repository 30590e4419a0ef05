"""The table of what each rule would choose on the alpha curve."""

from adapt.report.record.curve import (
    SYNTHETIC,
    Point,
    at_point,
    chosen_alpha,
    curve_points,
    curve_shifts,
    line_model,
    line_ships,
    point_at,
    rule_choices,
)
from adapt.report.record.guard import stepped_back
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import MAP, SELECTION, mean_of_shifts, model_name
from adapt.report.record.ship import probe_ships, shipped_in_words
from adapt.report.record.values import number
from adapt.report.record.words import decimal, percent
from adapt.report.tables.cells import Cell, Table

SHIPPED = "shipped"


def rules_table(run: RunRecord) -> Table | None:
    """The choice of every rule; the columns of test and shifts took no part in it."""
    rules, used = rule_choices(run), (run.curve or {}).get("rule")
    if not rules:
        return None
    chosen = chosen_alpha(run)
    rows = [_row(run, rule, choice, rule == used) for rule, choice in rules.items()]
    at_rule = number(rules.get(str(used), {}).get("alpha"))
    if chosen is not None and at_rule != chosen:
        rows.append(_chosen_row(run, chosen, used == "fixed"))
    base = run.scores.test or "test"
    corrupted = _corrupted(run)
    mixed = [SYNTHETIC] if corrupted else []
    header = ["rule", "alpha", "val", *mixed, "temperature", base, mean_of_shifts(run.scores)]
    groups = (("", 1), ("on val only", 3 + len(mixed)), ("for information only", 2))
    seen = "val and corruptions of val" if corrupted else "val"
    legend = (
        f"Every rule sees {seen}, nothing else. The columns of {base} and of the shifts are there "
        "to check the rules; they took no part in any choice."
    )
    return Table(f"What each rule would choose{_of(run)}", header, rows, groups, legend=legend)


def _of(run: RunRecord) -> str:
    """On which line, where there are two: only one of them holds what ships."""
    if not probe_ships(run.scores):
        return ""
    name = model_name(line_model(run))
    if line_ships(run):
        return f" for the {name} (shipped)"
    return f" for the {name} (not shipped: {shipped_in_words(run.scores)} ships)"


def _corrupted(run: RunRecord) -> bool:
    """Whether corruptions of val were scored along the curve."""
    return any(number(point.get("synthetic")) is not None for point in curve_points(run))


def _chosen_row(run: RunRecord, chosen: float, fixed: bool) -> list[Cell]:
    """The point of the line that was taken in the end, where no rule would choose it."""
    ships, point = line_ships(run), point_at(run, chosen)
    why = "set by the recipe" if fixed else "what the run stored"
    # The guard that is stored is that of the shipped model; a rule is overruled by nothing else.
    if stepped_back(run.scores) if ships else not fixed:
        why = "after the guard stepped back"
    choice = {
        "alpha": chosen,
        "temperature": run.scores.get("temperature") if ships else None,
        "accuracy": at_point(point, [SELECTION]) if point else None,
        "why": why,
    }
    return _row(run, SHIPPED if ships else "chosen", choice, True)


def _row(run: RunRecord, rule: str, choice: Point, used: bool) -> list[Cell]:
    alpha = number(choice.get("alpha"))
    point, base = point_at(run, alpha), run.scores.test
    shifts = curve_shifts(run, curve_points(run))
    mark = " (used)" if used and rule in rule_choices(run) else ""
    why = str(choice.get("why") or "")
    if run.scores.several_labels:
        why = why.replace("accuracy", run.scores.measure)
    return [
        Cell(f"{rule}{mark}", why, strong=used and line_ships(run)),
        Cell("n/a" if alpha is None else f"{alpha:g}"),
        Cell(percent(choice.get("accuracy", choice.get(MAP)))),
        *([Cell(percent(point.get("synthetic")))] if _corrupted(run) else []),
        Cell(decimal(choice.get("temperature"), 2)),
        Cell(percent(at_point(point, [base] if base else []))),
        Cell(percent(at_point(point, shifts))),
    ]
