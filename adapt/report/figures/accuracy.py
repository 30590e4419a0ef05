"""Accuracy: the baseline ladder, and a heat map of the synthetic shifts."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from adapt.report.figures import style
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import MAP, ScoreTable, mean_of_shifts, model_name, over
from adapt.report.record.values import number
from adapt.report.record.words import percent, points, shorten

NO_CORRUPTION = (
    "no synthetic shift was evaluated: add `evals.blur={of: test, shift: gaussian_blur, "
    "severity: [1, 3, 5]}` and one of another kind"
)
CHANGE_MAP = LinearSegmentedColormap.from_list("change", [style.VERMILION, "#ffffff", style.BLUE])


@style.figure("ladder", "Baseline ladder")
def ladder(run: RunRecord) -> style.ReportFigure | str | None:
    """Accuracy on the test set and on the mean of shifts, one row per model, of two or more."""
    scores, base = run.scores, run.scores.test
    if base is None:
        return "no test set was evaluated"
    present = [m for m in scores.models if scores.metric(m, base) is not None]
    if not present:
        return f"no model has a score on {base}"
    if len(present) < 2:
        return None
    figure = style.new_figure(7.4, 1.15 + 0.42 * len(present))
    axes = figure.add_subplot()
    for row, model in enumerate(present):
        _ladder_row(axes, run, model, row)
    axes.set_yticks(range(len(present)), [scores.heading(model) for model in present])
    axes.set_ylim(len(present) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.09)
    style.percent_axis(axes, "x")
    axes.set_xlabel(scores.measure)
    axes.plot([], [], "o", color=style.INK, label=f"{shorten(base)} (in-distribution)")
    if scores.shifts:
        axes.plot(
            [],
            [],
            "D",
            color=style.INK,
            markerfacecolor="none",
            label=shorten(mean_of_shifts(scores)),
        )
    figure.legend(loc="outside upper left", ncols=2)
    what = MAP if scores.several_labels else "Accuracy"
    alt = f"{what} per model. " + " ".join(
        f"{model_name(m)}: {percent(scores.metric(m, base))} on {base}{_away(scores, m)}."
        for m in present
    )
    caption = "In-distribution test set with its 95 % interval."
    read = "further right is better."
    if scores.shifts:
        caption = f"Filled: {caption[0].lower()}{caption[1:]} Open: {mean_of_shifts(scores)}."
        read += (
            " The line between the two marks is what is lost when images look different: the "
            "shorter it is, the more robust the model."
        )
    return style.ReportFigure(figure, alt, caption, read)


def _away(scores: ScoreTable, model: str) -> str:
    shifts = scores.shifts
    return f", {percent(scores.shift_mean(model))} on {over(shifts)}" if shifts else ""


def _ladder_row(axes: Axes, run: RunRecord, model: str, row: int) -> None:
    base = run.scores.test or ""
    value, away = run.scores.metric(model, base), run.scores.shift_mean(model)
    bounds = run.scores.bounds(model, base)
    colour = style.colour_of(model)
    if value is None:
        return
    if bounds:
        axes.plot(bounds, [row, row], color=colour, linewidth=5, alpha=0.3, solid_capstyle="butt")
    axes.plot(value, row, "o", color=colour, markersize=8)
    right = value if away is None else max(value, away)
    left = value if away is None else min(value, away)
    if away is not None:
        axes.plot([value, away], [row, row], color=colour, linewidth=1.4, zorder=1)
        axes.plot(away, row, "D", color=colour, markerfacecolor=style.PAPER, markersize=7)
    low, high = (min(left, *bounds), max(right, *bounds)) if bounds else (left, right)
    _beside(axes, high, row, f"{100 * right:.1f}", "left")
    if away is not None:
        _beside(axes, low, row, f"{100 * left:.1f}", "right")


def _beside(axes: Axes, x: float, y: float, text: str, align: str) -> None:
    offset = (7, 0) if align == "left" else (-7, 0)
    axes.annotate(
        text, (x, y), offset, textcoords="offset points", ha=align, va="center", fontsize=9
    )


@style.figure("heat_map", "Synthetic shifts by kind and severity")
def heat_map(run: RunRecord) -> style.ReportFigure | str | None:
    """Change from zero-shot for every kind and severity of synthetic shift, of two or more."""
    cells = severity_cells(run)
    kinds = list(dict.fromkeys(kind for kind, _ in cells))
    severities = sorted({severity for _, severity in cells})
    if not cells:
        return NO_CORRUPTION
    if len(kinds) < 2 and len(severities) < 2:
        return None
    model = run.scores.shipped
    change = np.full((len(kinds), len(severities)), np.nan)
    for (kind, severity), shift in cells.items():
        value = run.scores.difference(model, shift)[0]
        change[kinds.index(kind), severities.index(severity)] = np.nan if value is None else value
    limit = max(0.02, float(np.nanmax(np.abs(change))) if np.isfinite(change).any() else 0.02)
    figure = style.new_figure(max(4.6, 2.4 + 1.25 * len(severities)), 1.4 + 0.5 * len(kinds))
    axes = figure.add_subplot()
    axes.grid(visible=False)
    shown = axes.imshow(change, CHANGE_MAP, vmin=-limit, vmax=limit, aspect="auto")
    alt = []
    for (kind, severity), shift in cells.items():
        row, column = kinds.index(kind), severities.index(severity)
        value = float(change[row, column])
        moved = points(None if math.isnan(value) else value)
        text = f"{percent(run.scores.metric(model, shift))} ({moved})"
        alt.append(f"{kind} severity {severity:g}: {text}.")
        tone = "#ffffff" if abs(value) > 0.75 * limit else "#111111"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=tone)
    axes.set_xticks(range(len(severities)), [f"{severity:g}" for severity in severities])
    axes.set_yticks(range(len(kinds)), [shorten(kind) for kind in kinds])
    axes.set_xlabel("severity")
    bar = figure.colorbar(shown, ax=axes, label="points")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:+.3g}")
    caption = "Accuracy of the shipped model; in brackets, the change from zero-shot in points."
    read = (
        "blue cells are better than zero-shot, orange cells are worse. A row that turns orange "
        "towards the right is a disturbance that your images should not have."
    )
    return style.ReportFigure(figure, " ".join(alt), caption, read)


def severity_cells(run: RunRecord) -> dict[tuple[str, float], str]:
    """Which eval holds which kind and severity of synthetic shift."""
    known = [
        (name, card, severity)
        for name, card in run.scores.cards.items()
        if card.get("shift") and (severity := number(card.get("severity"))) is not None
    ]
    sources = {str(card.get("of")) for _, card, _ in known}
    return {
        (
            str(card["shift"]) if len(sources) < 2 else f"{card['shift']} of {card.get('of')}",
            severity,
        ): name
        for name, card, severity in known
    }
