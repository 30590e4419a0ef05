"""Figures of accuracy: baseline ladder, and heat map of the synthetic shifts."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from adapt.report.figures.style import (
    BLUE,
    INK,
    PAPER,
    VERMILION,
    Absent,
    Picture,
    colour_of,
    new_figure,
    percent_axis,
)
from adapt.report.record.numbers import (
    difference,
    entry,
    evals,
    interval,
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
from adapt.report.record.read import Run, number

CHANGE_MAP = LinearSegmentedColormap.from_list("change", [VERMILION, "#ffffff", BLUE])


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
    caption = "Filled: in-distribution test with its 95 % interval. Open: mean of shifts."
    read = (
        "further right is better. The line between the two marks is what is lost when images "
        "look different: the shorter, the more robust."
    )
    return Picture(name, title, alt, caption, read, figure)


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
    caption = "Accuracy of the shipped model, in brackets the change to zero-shot in points."
    read = (
        "blue cells are better than zero-shot, orange ones worse. A row that turns orange to the "
        "right names a disturbance your images should not have."
    )
    return Picture(name, title, " ".join(alt), caption, read, figure)


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
