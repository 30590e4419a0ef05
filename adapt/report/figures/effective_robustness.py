"""Accuracy on the shifts against accuracy in distribution, on logit axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis

from adapt.report.figures import style
from adapt.report.record.curve import at_point, curve_points, curve_shifts
from adapt.report.record.measures import (
    id_name,
    line_of,
    line_points,
    no_line,
    shift_entries,
    shift_models,
)
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import model_name
from adapt.report.record.values import mapping, number
from adapt.report.record.words import percent, points, shorten

MOST_PANELS = 6
Place = tuple[float, float]
_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
    *(0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995),
)


@style.figure("scatter", "In-distribution against shift")
def scatter(run: RunRecord) -> style.ReportFigure | str | None:
    """Test accuracy against mean shift accuracy, both on logit axes."""
    scores, base = run.scores, run.scores.test
    if base is None or not scores.shifts:
        return "no shift was scored, so there is nothing to compare with the test set"
    # The majority class does not look at images, and would squeeze the others into a corner.
    places = {
        model: (x, y)
        for model in scores.models
        if model != "majority"
        and (x := scores.metric(model, base)) is not None
        and (y := scores.shift_mean(model)) is not None
    }
    if len(set(places.values())) < 2:
        return None
    figure = style.new_figure(7.0, 4.9)
    axes = figure.add_subplot()
    path = _path(run, base)
    if path:
        line = zip(*map(_logits, path), strict=True)
        axes.plot(*line, ".-", color=style.MUTED, linewidth=1.2, label="mixed model, alpha 0 to 1")
    for model, place in places.items():
        _mark(axes, run, model, place, 11 if model == scores.shipped else 8)
    both = [_logit(value) for place in (*places.values(), *path) for value in place]
    low, high = _limits(both, 0.25)
    axes.plot([low, high], [low, high], color=style.INK, linewidth=1, linestyle="--", label="y = x")
    axes.set(xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        _percent_ticks(axis, low, high, 0.085)
    axes.set_xlabel(f"accuracy on {shorten(base)} (logit scale)")
    axes.set_ylabel("mean accuracy on shifts (logit scale)")
    figure.legend(loc="outside right center")
    alt = "Test accuracy against mean shift accuracy. " + " ".join(
        f"{model_name(model)}: {percent(x)} and {percent(y)}." for model, (x, y) in places.items()
    )
    caption = "On the dashed line, a model is as good on the shifts as on the test set."
    read = (
        "training usually moves a model to the right and a little up; only a move towards the "
        "dashed line is a gain in robustness."
    )
    return style.ReportFigure(figure, alt, caption, read)


@style.figure("effective", "Effective robustness", needs="robustness.json")
def effective(run: RunRecord) -> style.ReportFigure | str:
    """Each shift that has a line of usual accuracy, against the test set."""
    known = {shift: entry for shift, entry in shift_entries(run).items() if shift_models(entry)}
    stored = {shift: entry for shift, entry in known.items() if line_of(entry) is not None}
    if not stored:
        return _why_none(run)
    panels = _panels(run, stored)
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = style.new_figure(3.05 * columns + (1.9 if columns < 3 else 0), 0.5 + 2.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.09)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, shift in zip(grid.flat, panels, strict=False):
        _panel(axes, run, shift, stored[shift])
    figure.supxlabel(f"accuracy on {shorten(id_name(run))}", fontsize=10)
    figure.supylabel("accuracy on the shift", fontsize=10)
    legends = [axes.get_legend_handles_labels() for axes in grid.flat]
    shown = {label: handle for pair in legends for handle, label in zip(*pair, strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside upper left", ncols=3)
    alt = " ".join(_in_words(run, shift, stored[shift]) for shift in panels)
    left_out, without = len(stored) - len(panels), len(known) - len(stored)
    more = f" {left_out} more are in the table." if left_out else ""
    more += f" {without} without a line: the table says why." if without else ""
    caption = (
        f"{_about_lines(stored)} The upright stroke is the effective robustness of the shipped "
        "model, given in points in each title. Dashed: equal accuracy on both. All axes are "
        f"logit.{more}"
    )
    read = (
        "a better model is usually better on a shift too; the solid line says by how much. Above "
        "the line a model keeps more accuracy than usual, on the line as much as usual; below it, "
        "robustness was lost."
    )
    return style.ReportFigure(figure, alt, caption, read)


def _why_none(run: RunRecord) -> str:
    reasons = [str(entry.get("reason") or "") for entry in shift_entries(run).values()]
    known = [
        no_line(run),
        *reasons,
        "no shift was compared with a test set like the training images",
    ]
    return next(reason for reason in known if reason)


def _panels(run: RunRecord, stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Natural shifts first, then those where the shipped model does worst."""
    order = {name: place for place, name in enumerate(run.scores.evals)}

    def rank(shift: str) -> tuple[bool, float, int]:
        value = number(shift_models(stored[shift]).get(run.scores.shipped, {}).get("effective"))
        return run.scores.is_synthetic(shift), 1.0 if value is None else value, order.get(shift, 0)

    chosen = sorted(stored, key=rank)[:MOST_PANELS]
    return sorted(chosen, key=lambda shift: order.get(shift, 0))


def _panel(axes: Axes, run: RunRecord, shift: str, entry: Mapping[str, Any]) -> None:
    places = {
        model: (x, y)
        for model, row in shift_models(entry).items()
        if (x := number(row.get("id"))) is not None and (y := number(row.get("ood"))) is not None
    }
    line, mine = line_of(entry), places.get(run.scores.shipped)
    usual = [] if line is None or mine is None else [line[0] * _logit(mine[0]) + line[1]]
    others = line_points(entry)
    shown = [*places.values(), *others]
    left, right = _limits([_logit(x) for x, _ in shown], 0.35)
    low, high = _limits([*(_logit(y) for _, y in shown), *usual], 0.35)
    axes.plot([left, right], [left, right], color=style.MUTED, linewidth=0.9, linestyle="--")
    if line is not None:
        ends = [line[0] * x + line[1] for x in (left, right)]
        axes.plot([left, right], ends, color=style.INK, linewidth=1.3, label="usual accuracy")
    if others:
        dots = zip(*map(_logits, others), strict=True)
        axes.plot(*dots, ".", color=style.MUTED, markersize=4, label="reference models", zorder=1)
    if mine is not None and usual:
        x, y = _logits(mine)
        colour = style.colour_of(run.scores.shipped)
        axes.plot([x, x], [usual[0], y], color=colour, linewidth=2.4, solid_capstyle="butt")
    for model, place in places.items():
        _mark(axes, run, model, place, 9 if model == run.scores.shipped else 7)
    axes.set(xlim=(left, right), ylim=(low, high))
    _percent_ticks(axes.xaxis, left, right, 0.2)
    _percent_ticks(axes.yaxis, low, high, 0.12)
    axes.tick_params(labelsize=8.5)
    value = number(shift_models(entry).get(run.scores.shipped, {}).get("effective"))
    axes.set_title(f"{shorten(shift, 20)}: {points(value)}", fontsize=9.5)


def _about_lines(stored: Mapping[str, Mapping[str, Any]]) -> str:
    counts = [number(mapping(entry.get("fit")).get("models")) for entry in stored.values()]
    known = sorted({int(count) for count in counts if count is not None}) or [0]
    many = str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
    return f"Solid: the usual accuracy on the shift, a line through {many} reference models."


def _in_words(run: RunRecord, shift: str, entry: Mapping[str, Any]) -> str:
    places = "; ".join(
        f"{model_name(model)} {' and '.join(percent(row.get(at)) for at in ('id', 'ood'))}"
        for model, row in shift_models(entry).items()
    )
    value = number(shift_models(entry).get(run.scores.shipped, {}).get("effective"))
    result = f"effective robustness of the shipped model {points(value)}"
    return f"{shift}, test accuracy and shift accuracy: {places}; {result}."


def _mark(axes: Axes, run: RunRecord, model: str, place: Place, markersize: float) -> None:
    axes.plot(
        *_logits(place), style.marker_of(model), color=style.colour_of(model),
        markersize=markersize, markeredgecolor=style.INK, label=run.scores.heading(model),
    )  # fmt: skip


def _path(run: RunRecord, base: str) -> list[Place]:
    stored = curve_points(run)
    if curve_shifts(run, stored) != run.scores.shifts:
        return []
    pairs = [(at_point(point, [base]), at_point(point, run.scores.shifts)) for point in stored]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _logit(value: float) -> float:
    # Accuracies 0 and 1 have no logit; they are drawn at the edge.
    inside = min(max(value, 0.002), 0.998)
    return math.log(inside / (1 - inside))


def _logits(place: Place) -> Place:
    return _logit(place[0]), _logit(place[1])


def _limits(values: Sequence[float], margin: float) -> tuple[float, float]:
    return min(values, default=0.0) - margin, max(values, default=0.0) + margin


def _percent_ticks(axis: Axis, low: float, high: float, apart: float) -> None:
    """Set ticks in percent, at least the fraction `apart` of the axis from each other."""
    ticks: list[float] = []
    for tick in _TICKS:
        far = not ticks or _logit(tick) - _logit(ticks[-1]) > apart * (high - low)
        if low <= _logit(tick) <= high and far:
            ticks.append(tick)
    axis.set_ticks([_logit(tick) for tick in ticks], [f"{100 * t:.4g} %" for t in ticks])
