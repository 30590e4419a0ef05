"""Figures about robustness: baseline ladder, alpha curve, test against shift, heat map."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from adapt.report.numbers import (
    SELECTION,
    difference,
    entry,
    evals,
    interval,
    mean,
    metric,
    model_name,
    models,
    percent,
    points,
    shift_mean,
    shifts,
    shipped,
    shorten,
    test,
)
from adapt.report.read import Run, number
from adapt.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PAPER,
    VERMILION,
    Absent,
    Picture,
    colour_of,
    marker_of,
    new_figure,
    percent_axis,
)

Point = Mapping[str, Any]
CHANGE_MAP = LinearSegmentedColormap.from_list("change", [VERMILION, "#ffffff", BLUE])
_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
    *(0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995),
)
_STYLES = ("-", "--", "-.", ":")


def ladder(run: Run) -> Picture | Absent:
    """Accuracy on the test set and on the mean of shifts, one line per model."""
    name, title, scores = "ladder", "Baseline ladder", run.scores
    base = test(scores)
    if base is None:
        return Absent(name, title, "no test set was evaluated")
    present = [m for m in models(scores) if metric(scores, m, base) is not None]
    if not present:
        return Absent(name, title, f"no model has a score on {base}")
    figure = new_figure(7.4, 1.15 + 0.42 * len(present))
    axes = figure.add_subplot()
    for row, model in enumerate(present):
        _ladder_row(axes, run, model, row)
    axes.set_yticks(range(len(present)), [_shipped_name(run, model) for model in present])
    axes.set_ylim(len(present) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.09)
    percent_axis(axes, "x")
    axes.set_xlabel("accuracy")
    axes.plot([], [], "o", color=INK, label=f"{shorten(base)} (in-distribution)")
    if shifts(scores):
        axes.plot([], [], "D", color=INK, markerfacecolor="none", label="mean of shifts")
    figure.legend(loc="outside upper left", ncols=2)
    alt = "Accuracy per model. " + " ".join(
        f"{model_name(m)}: {percent(metric(scores, m, base))} on {base}, "
        f"{percent(shift_mean(scores, m))} on the mean of shifts."
        for m in present
    )
    caption = (
        "Filled: in-distribution test with its 95 % interval. "
        "Open: mean of shifts. A short line between the two means a robust model."
    )
    return Picture(name, title, alt, caption, figure)


def _ladder_row(axes: Axes, run: Run, model: str, row: int) -> None:
    base = test(run.scores) or ""
    value, away = metric(run.scores, model, base), shift_mean(run.scores, model)
    bounds = interval(entry(run.scores, model, base).get("accuracy_ci"))
    colour = colour_of(model)
    if value is None:
        return
    if bounds:
        axes.plot(bounds, [row, row], color=colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    axes.plot(value, row, "o", color=colour, markersize=8)
    right = value if away is None else max(value, away)
    left = value if away is None else min(value, away)
    if away is not None:
        axes.plot([value, away], [row, row], color=colour, linewidth=1.4, zorder=1)
        axes.plot(away, row, "D", color=colour, markerfacecolor=PAPER, markersize=7)
    low, high = (min(left, *bounds), max(right, *bounds)) if bounds else (left, right)
    _beside(axes, high, row, f"{100 * right:.1f}", "left")
    if away is not None:
        _beside(axes, low, row, f"{100 * left:.1f}", "right")


def _beside(axes: Axes, x: float, y: float, text: str, align: str) -> None:
    offset = (7, 0) if align == "left" else (-7, 0)
    axes.annotate(
        text, (x, y), offset, textcoords="offset points", ha=align, va="center", fontsize=9
    )


def _shipped_name(run: Run, model: str) -> str:
    return model_name(model) + (" (shipped)" if model == shipped(run.scores) else "")


def alpha_curve(run: Run) -> Picture | Absent:
    """Accuracy along the line from zero-shot (alpha 0) to the adapted model (alpha 1)."""
    name, title = "alpha_curve", "Alpha curve"
    stored = curve_points(run)
    if not stored:
        return Absent(name, title, run.reason("curve.json"))
    base, named = test(run.scores), curve_shifts(run, stored)
    figure = new_figure(7.4, 4.2)
    axes = figure.add_subplot()
    if named:
        label = f"mean of {len(named)} shifts"
        _line(axes, stored, named, label, color=VERMILION, marker="D", linestyle="--", zorder=3)
    if base is not None:
        label = f"{shorten(base, 22)} (in-distribution)"
        _line(axes, stored, [base], label, color=BLUE, marker="o", zorder=3)
    _line(
        axes,
        stored,
        [SELECTION],
        "val (selection)",
        color=GREEN,
        marker="^",
        linestyle="-.",
        zorder=3,
    )
    # Beyond eight, names of thin lines would crowd out the lines themselves.
    for index, shift in enumerate(named):
        together = "each shift" if index == 0 else None
        thin = shorten(shift, 22) if len(named) <= 8 else together
        look = (
            {"linestyle": _STYLES[index % 4], "alpha": 0.8} if len(named) <= 8 else {"alpha": 0.45}
        )
        _line(axes, stored, [shift], thin, color=MUTED, linewidth=0.9, **look)
    chosen = number((run.curve or {}).get("chosen"))
    if chosen is not None:
        axes.axvline(chosen, color=INK, linewidth=1.2, linestyle=":")
        axes.annotate(
            f"chosen {chosen:g}",
            (chosen, 1),
            (0, 4),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
        )
    axes.set_xlabel("alpha (0 = zero-shot, 1 = adapted)")
    axes.set_ylabel("accuracy")
    percent_axis(axes)
    figure.legend(loc="outside right center")
    rule = str((run.curve or {}).get("rule") or "a rule the run did not store")
    caption = (
        f'Alpha was chosen by the rule "{rule}". Test and shift curves are shown to check that '
        "choice and took no part in it."
    )
    return Picture(name, title, _curve_alt(run, stored, named), caption, figure)


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
        if all(_at(point, [name]) is not None for point in stored)
    ]


def _at(point: Point, names: Sequence[str]) -> float | None:
    return mean([number((point.get(name) or {}).get("accuracy")) for name in names])


def _line(
    axes: Axes, stored: Sequence[Point], names: Sequence[str], label: str | None, **style: object
) -> None:
    pairs = [(float(point["alpha"]), _at(point, names)) for point in stored]
    known = [(alpha, value) for alpha, value in pairs if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), label=label, **style)  # type: ignore[arg-type]


def _curve_alt(run: Run, stored: Sequence[Point], named: Sequence[str]) -> str:
    base = test(run.scores)
    series = {"val": [SELECTION], **({base: [base]} if base else {})}
    if named:
        series[f"mean of {len(named)} shifts"] = list(named)
    parts = [
        f"{label}: {percent(_at(stored[0], names))} at alpha {stored[0]['alpha']:g}, "
        f"{percent(_at(stored[-1], names))} at alpha {stored[-1]['alpha']:g}."
        for label, names in series.items()
    ]
    chosen = number((run.curve or {}).get("chosen"))
    near = min(stored, key=lambda p: abs(float(p["alpha"]) - (chosen or 0.0)))
    if chosen is not None:
        at = ", ".join(f"{label} {percent(_at(near, names))}" for label, names in series.items())
        parts.append(f"At the chosen alpha {chosen:g}: {at}.")
    return f"Accuracy at {len(stored)} values of alpha. " + " ".join(parts)


def scatter(run: Run) -> Picture | Absent:
    """Test accuracy against mean shift accuracy, both on logit axes."""
    name, title, scores = "scatter", "In-distribution against shift", run.scores
    base = test(scores)
    if base is None or not shifts(scores):
        return Absent(name, title, "no shift was scored, so there is nothing to set against test")
    # The majority class is no model of images, and would squeeze the others into a corner.
    places = {
        model: (x, y)
        for model in models(scores)
        if model != "majority"
        and (x := metric(scores, model, base)) is not None
        and (y := shift_mean(scores, model)) is not None
    }
    figure = new_figure(7.0, 4.9)
    axes = figure.add_subplot()
    path = _path(run, base)
    if path:
        label = "alpha from 0 to 1"
        axes.plot(*zip(*map(_logits, path), strict=True), ".-", color=MUTED, lw=1.2, label=label)
    for model, place in places.items():
        label = _shipped_name(run, model)
        size = 11 if model == shipped(scores) else 8
        style = {"color": colour_of(model), "marker": marker_of(model), "markersize": size}
        axes.plot(*_logits(place), linestyle="none", markeredgecolor=INK, label=label, **style)  # type: ignore[arg-type]
    _logit_axes(axes, [*places.values(), *path])
    axes.set_xlabel(f"accuracy on {shorten(base)} (logit scale)")
    axes.set_ylabel("mean accuracy on shifts (logit scale)")
    figure.legend(loc="outside right center")
    alt = "Test accuracy against mean shift accuracy. " + " ".join(
        f"{model_name(model)}: {percent(x)} and {percent(y)}." for model, (x, y) in places.items()
    )
    caption = (
        "On the line a model is as good on shifts as on test. Training usually moves a model "
        "right; only a move up is robustness that was gained."
    )
    return Picture(name, title, alt, caption, figure)


def _path(run: Run, base: str) -> list[tuple[float, float]]:
    stored = curve_points(run)
    if curve_shifts(run, stored) != shifts(run.scores):
        return []
    pairs = [(_at(point, [base]), _at(point, shifts(run.scores))) for point in stored]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _logit(value: float) -> float:
    # Accuracy 0 and 1 have no logit; they are drawn at the rim.
    inside = min(max(value, 0.002), 0.998)
    return math.log(inside / (1 - inside))


def _logits(place: tuple[float, float]) -> tuple[float, float]:
    return _logit(place[0]), _logit(place[1])


def _logit_axes(axes: Axes, places: Sequence[tuple[float, float]]) -> None:
    lines = [_logit(value) for place in places for value in place] or [0.0]
    low, high = min(lines) - 0.25, max(lines) + 0.25
    axes.plot([low, high], [low, high], color=INK, linewidth=1, linestyle="--", label="y = x")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    ticks: list[float] = []
    for tick in _TICKS:
        far = not ticks or _logit(tick) - _logit(ticks[-1]) > 0.085 * (high - low)
        if low <= _logit(tick) <= high and far:
            ticks.append(tick)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([_logit(tick) for tick in ticks], [f"{100 * t:.4g} %" for t in ticks])


def heat_map(run: Run) -> Picture | Absent:
    """Change to zero-shot for every kind and severity of synthetic shift."""
    name, title = "heat_map", "Synthetic shifts by kind and severity"
    cells = severity_cells(run)
    kinds = list(dict.fromkeys(kind for kind, _ in cells))
    severities = sorted({severity for _, severity in cells})
    if len(kinds) < 2 and len(severities) < 2:
        return Absent(name, title, "fewer than two kinds or severities of synthetic shift")
    model = shipped(run.scores)
    change = np.full((len(kinds), len(severities)), np.nan)
    for (kind, severity), shift in cells.items():
        value = difference(run.scores, model, shift)[0]
        change[kinds.index(kind), severities.index(severity)] = np.nan if value is None else value
    limit = max(0.02, float(np.nanmax(np.abs(change))) if np.isfinite(change).any() else 0.02)
    figure = new_figure(max(4.6, 2.4 + 1.25 * len(severities)), 1.4 + 0.5 * len(kinds))
    axes = figure.add_subplot()
    axes.grid(visible=False)
    shown = axes.imshow(change, CHANGE_MAP, vmin=-limit, vmax=limit, aspect="auto")
    alt = []
    for (kind, severity), shift in cells.items():
        row, column = kinds.index(kind), severities.index(severity)
        value = float(change[row, column])
        moved = points(None if math.isnan(value) else value)
        text = f"{percent(metric(run.scores, model, shift))} ({moved})"
        alt.append(f"{kind} severity {severity:g}: {text}.")
        tone = "#ffffff" if abs(value) > 0.75 * limit else "#111111"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=tone)
    axes.set_xticks(range(len(severities)), [f"{severity:g}" for severity in severities])
    axes.set_yticks(range(len(kinds)), [shorten(kind) for kind in kinds])
    axes.set_xlabel("severity")
    bar = figure.colorbar(shown, ax=axes, label="points")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}")
    caption = (
        "Accuracy of the shipped model, in brackets the change to zero-shot in points. "
        "Blue is better, orange is worse."
    )
    return Picture(name, title, " ".join(alt), caption, figure)


def severity_cells(run: Run) -> dict[tuple[str, float], str]:
    """Which eval holds which kind and severity of synthetic shift."""
    stored = run.scores.get("data", {}).get("evals", {})
    known = [
        (name, stored[name], severity)
        for name in evals(run.scores)
        if (stored.get(name) or {}).get("shift")
        and (severity := number(stored[name].get("severity"))) is not None
    ]
    sources = {str(card.get("of")) for _, card, _ in known}
    return {
        (
            str(card["shift"]) if len(sources) < 2 else f"{card['shift']} of {card.get('of')}",
            severity,
        ): name
        for name, card, severity in known
    }
