"""The alpha curve, and what each rule would have chosen on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes

from adapt.report.figures import style
from adapt.report.record.curve import (
    SYNTHETIC,
    Point,
    at_point,
    chosen_alpha,
    curve_points,
    curve_shifts,
    level_alphas,
    line_model,
    line_ships,
    probe_line,
    rule_choices,
    sampled_sets,
)
from adapt.report.record.read import Absent, RunRecord
from adapt.report.record.scores import MIXED, MIXED_PROBE, SELECTION, mean_of, model_name
from adapt.report.record.ship import probe_ships, shipped_in_words
from adapt.report.record.values import number
from adapt.report.record.words import enumerated, percent, shorten

_STYLES = ("-", "--", "-.", ":")
_ENDS = {MIXED: "adapted model", MIXED_PROBE: "linear probe"}


@style.figure("alpha_curve", "Alpha curve", needs="curve.json")
def alpha_curve(run: RunRecord) -> style.ReportFigure | str | None:
    """Accuracy along the line from zero-shot (alpha 0) to the adapted model (alpha 1)."""
    stored = curve_points(run)
    if not stored:
        return run.reason("curve.json")
    rules, named = rule_choices(run), curve_shifts(run, stored)
    drawn = [name for name in (SELECTION, run.scores.test, *named) if name is not None]
    if all(len({at_point(point, [name]) for point in stored}) < 2 for name in drawn):
        return None
    figure = style.new_figure(7.4, 4.2 + (0.35 + 0.22 * len(rules) if rules else 0))
    axes, *strip = figure.subplots(
        2 if rules else 1, 1, sharex=True, squeeze=False,
        height_ratios=[4.0, 0.2 + 0.24 * len(rules)] if rules else [1],
    )[:, 0]  # fmt: skip
    _draw_curves(axes, run, stored, named)
    if strip:
        _draw_rules(strip[0], run, rules)
    for panel in (axes, *strip):
        _mark_chosen(panel, run, text=panel is axes)
    axes.set_ylabel(run.scores.measure)
    style.percent_axis(axes)
    end = _ENDS[line_model(run)]
    (strip[0] if strip else axes).set_xlabel(f"alpha (0 = zero-shot, 1 = {end})")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center")
    read = (
        f"from left (the pretrained model) to right (the {end} alone). Where a curve falls again, "
        "moving further costs more than it gives; a good alpha keeps all curves high."
    )
    alt = _curve_alt(run, stored, named)
    return style.ReportFigure(figure, alt, _caption(run), read, _title(run))


def probe_curve(run: RunRecord) -> style.ReportFigure | Absent | None:
    """The same along the line to the linear probe, where what ships lies on that one."""
    line = probe_line(run)
    shown = None if line is None else alpha_curve(line)
    if isinstance(shown, style.ReportFigure):
        return replace(shown, name="alpha_curve_probe")
    return shown


def _title(run: RunRecord) -> str:
    """The heading; where there are two lines, with the model that each one is of."""
    if not probe_ships(run.scores):
        return ""
    ships = "shipped" if line_ships(run) else "not shipped"
    return f"Alpha curve of the {model_name(line_model(run))} ({ships})"


def _draw_curves(axes: Axes, run: RunRecord, stored: Sequence[Point], named: list[str]) -> None:
    base = run.scores.test
    if named:
        _line(axes, stored, named, shorten(mean_of(named), 22), style.VERMILION, "D--")
    if base is not None:
        _line(axes, stored, [base], f"{shorten(base, 22)} (in-distribution)", style.BLUE, "o-")
    _line(axes, stored, [SELECTION], "val (selection)", style.GREEN, "^-.")
    mixed = [
        (float(point["alpha"]), value)
        for point in stored
        if (value := number(point.get("synthetic"))) is not None
    ]
    if mixed:
        axes.plot(
            *zip(*mixed, strict=True), label=SYNTHETIC, zorder=3, color=style.PURPLE, marker="v",
            linestyle=(0, (4, 1, 1, 1, 1, 1)),
        )  # fmt: skip
    # Beyond eight, names of thin lines would crowd out the lines themselves.
    for index, shift in enumerate(named if len(named) > 1 else []):
        thin = {"linewidth": 0.9, "zorder": 2}
        if len(named) <= 8:
            label, dashes = shorten(shift, 22), _STYLES[index % 4]
            _line(axes, stored, [shift], label, style.MUTED, dashes, alpha=0.8, **thin)
        else:
            label = "each shift" if index == 0 else ""
            _line(axes, stored, [shift], label, style.MUTED, "-", alpha=0.45, **thin)


def _line(
    axes: Axes,
    stored: Sequence[Point],
    names: Sequence[str],
    label: str,
    colour: str,
    look: str,
    **more: Any,
) -> None:
    pairs = [(float(point["alpha"]), at_point(point, names)) for point in stored]
    known = [(alpha, value) for alpha, value in pairs if value is not None]
    if known:
        x, y = zip(*known, strict=True)
        axes.plot(x, y, look, color=colour, label=label or None, **{"zorder": 3, **more})


def _draw_rules(axes: Axes, run: RunRecord, rules: Mapping[str, Point]) -> None:
    """Draw one row per rule, with a mark at its alpha that is filled for the rule in use."""
    used = (run.curve or {}).get("rule")
    for row, (rule, choice) in enumerate(rules.items()):
        face, alpha = style.INK if rule == used else style.PAPER, float(choice["alpha"])
        axes.plot(alpha, row, "o", color=style.INK, markerfacecolor=face, clip_on=False)
    names = [f"{rule} (used)" if rule == used else rule for rule in rules]
    axes.set_yticks(range(len(rules)), names, fontsize=8.5)
    axes.set_ylim(len(rules) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="x")


def _mark_chosen(axes: Axes, run: RunRecord, text: bool) -> None:
    chosen = chosen_alpha(run)
    if chosen is None:
        return
    style.chosen_line(axes, chosen)
    ships, name = line_ships(run), model_name(line_model(run))
    if text:
        mark = f"shipped {chosen:g}" if ships else f"{name} at {chosen:g} (not shipped)"
        axes.annotate(
            mark, (chosen, 1), (0, 4), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", va="bottom", fontsize=9,
        )  # fmt: skip


def _caption(run: RunRecord) -> str:
    curve, chosen = run.curve or {}, chosen_alpha(run)
    rule = str(curve.get("rule") or "a rule the run did not store")
    how = "set by the recipe" if rule == "fixed" else f'chosen by the rule "{rule}" on val'
    text = f"{_of_which(run)} was {how}. The curves of test and shifts took no part in this."
    by_rule = number(rule_choices(run).get(rule, {}).get("alpha"))
    if by_rule is not None and chosen is not None and by_rule != chosen:
        text += f" The guard then stepped back from {by_rule:g} to {chosen:g}."
    text += _level(level_alphas(run), chosen)
    if sampled := sampled_sets(run):
        text += (
            f" Curves of {enumerated(list(sampled))} rest on {max(sampled.values())} images; the "
            "tables on all."
        )
    if rule_choices(run):
        text += " Below: what each rule would choose."
    return text


def _of_which(run: RunRecord) -> str:
    """Whose alpha it is; where the probe ships, also which model ships and on which line."""
    if not probe_ships(run.scores):
        return "Alpha"
    ships = shipped_in_words(run.scores)
    if line_ships(run):
        return f"What ships is {ships}, on the line from zero-shot to the linear probe. Its alpha"
    return (
        f"The {model_name(line_model(run))} does not ship: these curves are on the line from "
        f"zero-shot to the adapted model, and what ships is {ships} on the line from zero-shot to "
        "the linear probe. The alpha of the mixed model"
    )


def _level(level: list[float], chosen: float | None) -> str:
    """Which alphas the held-out images leave open."""
    others = [alpha for alpha in level if alpha != chosen]
    if not others or chosen is None:
        return ""
    named = enumerated([f"{alpha:g}" for alpha in others], 12)
    return (
        f" By accuracy val does not tell {chosen:g} from {named}: the differences are within two "
        "standard errors, image by image."
    )


def _curve_alt(run: RunRecord, stored: Sequence[Point], named: Sequence[str]) -> str:
    base = run.scores.test
    series = {"val": [SELECTION], **({base: [base]} if base else {})}
    if named:
        series[mean_of(named)] = list(named)
    parts = [
        f"{label}: {percent(at_point(stored[0], names))} at alpha {stored[0]['alpha']:g}, "
        f"{percent(at_point(stored[-1], names))} at alpha {stored[-1]['alpha']:g}."
        for label, names in series.items()
    ]
    mixed = [number(point.get("synthetic")) for point in (stored[0], stored[-1])]
    if None not in mixed:
        parts.append(f"{SYNTHETIC}: from {percent(mixed[0])} to {percent(mixed[1])}.")
    chosen = chosen_alpha(run)
    near = min(stored, key=lambda p: abs(float(p["alpha"]) - (chosen or 0.0)))
    if chosen is not None:
        at = ", ".join(f"{label} {percent(at_point(near, n))}" for label, n in series.items())
        ships = "shipped" if line_ships(run) else "chosen (not shipped)"
        parts.append(f"At the {ships} alpha {chosen:g}: {at}.")
    parts += [
        f"The rule {rule} would choose {float(choice['alpha']):g}."
        for rule, choice in rule_choices(run).items()
    ]
    return f"Accuracy at {len(stored)} values of alpha. " + " ".join(parts)
