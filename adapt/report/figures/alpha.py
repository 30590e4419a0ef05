"""The alpha curve, and what every rule would have chosen on it."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adapt.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PAPER,
    PURPLE,
    VERMILION,
    Absent,
    Picture,
    new_figure,
    percent_axis,
)
from adapt.report.record.numbers import SELECTION, decimal, mean, percent, shifts, shorten, test
from adapt.report.record.read import Run, mapping, number
from adapt.report.tables.cells import Cell, Table
from adapt.report.tables.guard import stepped_back

Point = Mapping[str, Any]
RULES = {
    "val": "best accuracy on val",
    "val_one_se": "smallest alpha within one standard error of it",
    "synthetic_shift": "best mean of val and its corruptions",
    "synthetic_one_se": "smallest within one standard error of that",
    "both_one_se": "the larger of both one-standard-error rules",
    "min_regret": "smallest largest loss over val and its corruptions",
}
_SYNTHETIC = "val and its corruptions"
_STYLES = ("-", "--", "-.", ":")


def alpha_curve(run: Run) -> Picture | Absent:
    """Accuracy along the line from zero-shot (alpha 0) to the adapted model (alpha 1)."""
    name, title = "alpha_curve", "Alpha curve"
    stored = curve_points(run)
    if not stored:
        return Absent(name, title, run.reason("curve.json"))
    rules, named = rule_choices(run), curve_shifts(run, stored)
    figure = new_figure(7.4, 4.2 + (0.35 + 0.22 * len(rules) if rules else 0))
    axes, *strip = figure.subplots(
        2 if rules else 1, 1, sharex=True, squeeze=False,
        height_ratios=[4.0, 0.2 + 0.24 * len(rules)] if rules else [1],
    )[:, 0]  # fmt: skip
    _draw_curves(axes, run, stored, named)
    if strip:
        _draw_rules(strip[0], run, rules)
    for each in (axes, *strip):
        _mark_chosen(each, run, text=each is axes)
    axes.set_ylabel("accuracy")
    percent_axis(axes)
    (strip[0] if strip else axes).set_xlabel("alpha (0 = zero-shot, 1 = adapted)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    return Picture(name, title, _curve_alt(run, stored, named), _caption(run), _READ, figure)


_READ = (
    "go from left (the model as it came) to right (only your training). Where a curve falls again, "
    "more training costs more than it gives; a good alpha keeps all curves high."
)


def curve_points(run: Run) -> list[Point]:
    """The points of the alpha curve in order of alpha; empty when there is no curve."""
    stored = (run.curve or {}).get("points") or []
    known = [point for point in stored if number(point.get("alpha")) is not None]
    return sorted(known, key=lambda point: float(point["alpha"]))


def curve_shifts(run: Run, stored: Sequence[Point]) -> list[str]:
    """The shifts that have a score at every alpha."""
    return [
        name
        for name in shifts(run.scores)
        if all(at_point(point, [name]) is not None for point in stored)
    ]


def at_point(point: Point, names: Sequence[str]) -> float | None:
    """Mean accuracy over some sets at a point of the curve; None when one was not scored."""
    return mean([number(mapping(point.get(name)).get("accuracy")) for name in names])


def chosen_alpha(run: Run) -> float | None:
    """The alpha that is shipped, where there is a curve."""
    return number((run.curve or {}).get("chosen"))


def rule_choices(run: Run) -> dict[str, Point]:
    """What each rule would choose: by rule, its alpha, val accuracy and temperature."""
    stored = mapping((run.curve or {}).get("rules"))
    return {
        str(rule): mapping(found)
        for rule, found in stored.items()
        if number(mapping(found).get("alpha")) is not None
    }


def rules_table(run: Run) -> Table | None:
    """Where every rule would land; the columns of test and shifts took no part in it."""
    rules, used = rule_choices(run), (run.curve or {}).get("rule")
    if not rules:
        return None
    chosen = chosen_alpha(run)
    rows = [_rule_row(run, rule, found, rule == used) for rule, found in rules.items()]
    at_rule = number(rules.get(str(used), {}).get("alpha"))
    if chosen is not None and at_rule != chosen:
        fixed = "set by the recipe" if used == "fixed" else "what the run stored"
        why = "after the guard stepped back" if stepped_back(run.scores) else fixed
        found = {"alpha": chosen, "temperature": run.scores.get("temperature"), "why": why}
        point = _point(run, chosen)
        found["accuracy"] = at_point(point, [SELECTION]) if point else None
        rows.append(_rule_row(run, "shipped", found, True))
    base = test(run.scores) or "test"
    header = ["rule", "alpha", "val", _SYNTHETIC, "temperature", base, "mean of shifts"]
    groups = (("", 1), ("on val only", 4), ("for information only", 2))
    legend = (
        f"Every rule sees val and corruptions of val, nothing else. The columns of {base} and of "
        "the shifts are shown to check the rules; they took no part in any choice."
    )
    return Table("Where each rule would land", header, rows, groups, legend=legend)


def _rule_row(run: Run, rule: str, found: Point, used: bool) -> list[Cell]:
    alpha = number(found.get("alpha"))
    point, base = _point(run, alpha), test(run.scores)
    named = curve_shifts(run, curve_points(run))
    mark = " (used)" if used and rule in RULES else ""
    why = str(found.get("why") or RULES.get(rule, ""))
    return [
        Cell(f"{rule}{mark}", why, strong=used),
        Cell("n/a" if alpha is None else f"{alpha:g}"),
        Cell(percent(number(found.get("accuracy")))),
        Cell(percent(number(point.get("synthetic")))),
        Cell(decimal(number(found.get("temperature")), 2)),
        Cell(percent(at_point(point, [base] if base else []))),
        Cell(percent(at_point(point, named))),
    ]


def _point(run: Run, alpha: float | None) -> Point:
    near = [
        point
        for point in curve_points(run)
        if alpha is not None and abs(float(point["alpha"]) - alpha) < 1e-6
    ]
    return near[0] if near else {}


def _draw_curves(axes: Axes, run: Run, stored: Sequence[Point], named: list[str]) -> None:
    base = test(run.scores)
    if named:
        label = f"mean of {len(named)} shifts"
        _line(axes, stored, named, label, color=VERMILION, marker="D", linestyle="--", zorder=3)
    if base is not None:
        label = f"{shorten(base, 22)} (in-distribution)"
        _line(axes, stored, [base], label, color=BLUE, marker="o", zorder=3)
    look = {"color": GREEN, "marker": "^", "linestyle": "-.", "zorder": 3}
    _line(axes, stored, [SELECTION], "val (selection)", **look)
    mixed = [
        (float(point["alpha"]), value)
        for point in stored
        if (value := number(point.get("synthetic"))) is not None
    ]
    if mixed:
        style = {"color": PURPLE, "marker": "v", "linestyle": (0, (4, 1, 1, 1, 1, 1))}
        axes.plot(*zip(*mixed, strict=True), label=_SYNTHETIC, zorder=3, **style)  # type: ignore[arg-type]
    # Beyond eight, names of thin lines would crowd out the lines themselves.
    for index, shift in enumerate(named):
        together = "each shift" if index == 0 else None
        thin = shorten(shift, 22) if len(named) <= 8 else together
        few = {"linestyle": _STYLES[index % 4], "alpha": 0.8}
        look = few if len(named) <= 8 else {"alpha": 0.45}
        _line(axes, stored, [shift], thin, color=MUTED, linewidth=0.9, **look)


def _line(
    axes: Axes, stored: Sequence[Point], names: Sequence[str], label: str | None, **style: object
) -> None:
    pairs = [(float(point["alpha"]), at_point(point, names)) for point in stored]
    known = [(alpha, value) for alpha, value in pairs if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), label=label, **style)  # type: ignore[arg-type]


def _draw_rules(axes: Axes, run: Run, rules: Mapping[str, Point]) -> None:
    """A row per rule with a mark at its alpha, filled for the rule that was used."""
    used = (run.curve or {}).get("rule")
    for row, (rule, found) in enumerate(rules.items()):
        face = INK if rule == used else PAPER
        axes.plot(float(found["alpha"]), row, "o", color=INK, markerfacecolor=face, clip_on=False)
    names = [f"{rule} (used)" if rule == used else rule for rule in rules]
    axes.set_yticks(range(len(rules)), names, fontsize=8.5)
    axes.set_ylim(len(rules) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="x")


def _mark_chosen(axes: Axes, run: Run, text: bool) -> None:
    chosen = chosen_alpha(run)
    if chosen is None:
        return
    axes.axvline(chosen, color=INK, linewidth=1.2, linestyle=":", zorder=1)
    if text:
        axes.annotate(
            f"shipped {chosen:g}", (chosen, 1), (0, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=9,
        )  # fmt: skip


def _caption(run: Run) -> str:
    curve, chosen = run.curve or {}, chosen_alpha(run)
    rule = str(curve.get("rule") or "a rule the run did not store")
    how = "set by the recipe" if rule == "fixed" else f'chosen by the rule "{rule}" on val'
    said = f"Alpha was {how}. Test and shift curves took no part in it."
    landed = number(rule_choices(run).get(rule, {}).get("alpha"))
    if landed is not None and chosen is not None and landed != chosen:
        said += f" The guard then stepped back from {landed:g} to {chosen:g}."
    if rule_choices(run):
        said += " Below: where each rule would land."
    return said


def _curve_alt(run: Run, stored: Sequence[Point], named: Sequence[str]) -> str:
    base = test(run.scores)
    series = {"val": [SELECTION], **({base: [base]} if base else {})}
    if named:
        series[f"mean of {len(named)} shifts"] = list(named)
    parts = [
        f"{label}: {percent(at_point(stored[0], names))} at alpha {stored[0]['alpha']:g}, "
        f"{percent(at_point(stored[-1], names))} at alpha {stored[-1]['alpha']:g}."
        for label, names in series.items()
    ]
    mixed = [number(point.get("synthetic")) for point in (stored[0], stored[-1])]
    if None not in mixed:
        parts.append(f"{_SYNTHETIC}: from {percent(mixed[0])} to {percent(mixed[1])}.")
    chosen = chosen_alpha(run)
    near = min(stored, key=lambda p: abs(float(p["alpha"]) - (chosen or 0.0)))
    if chosen is not None:
        at = ", ".join(f"{label} {percent(at_point(near, n))}" for label, n in series.items())
        parts.append(f"At the shipped alpha {chosen:g}: {at}.")
    parts += [
        f"The rule {rule} would choose {float(found['alpha']):g}."
        for rule, found in rule_choices(run).items()
    ]
    return f"Accuracy at {len(stored)} values of alpha. " + " ".join(parts)
