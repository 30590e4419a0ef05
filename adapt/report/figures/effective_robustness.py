"""Accuracy on shifts against accuracy in distribution, on logit axes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis

from adapt.report.figures.alpha import at_point, curve_points, curve_shifts
from adapt.report.figures.style import (
    INK,
    MUTED,
    Absent,
    Picture,
    colour_of,
    marker_of,
    new_figure,
)
from adapt.report.record.measures import falls, id_name, line_of, shift_entries, shift_models
from adapt.report.record.numbers import (
    evals,
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
from adapt.report.record.read import Run, mapping, number

MOST_PANELS = 6
FEW_MODELS = 5
Place = tuple[float, float]
_TICKS = (
    *(0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
    *(0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995),
)


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
        _mark(axes, run, model, place, 11 if model == shipped(scores) else 8)
    both = [_logit(value) for place in (*places.values(), *path) for value in place]
    low, high = _limits(both, 0.25)
    axes.plot([low, high], [low, high], color=INK, linewidth=1, linestyle="--", label="y = x")
    axes.set(xlim=(low, high), ylim=(low, high))
    for axis in (axes.xaxis, axes.yaxis):
        _percent_ticks(axis, low, high, 0.085)
    axes.set_xlabel(f"accuracy on {shorten(base)} (logit scale)")
    axes.set_ylabel("mean accuracy on shifts (logit scale)")
    figure.legend(loc="outside right center")
    alt = "Test accuracy against mean shift accuracy. " + " ".join(
        f"{model_name(model)}: {percent(x)} and {percent(y)}." for model, (x, y) in places.items()
    )
    caption = "On the dashed line a model is as good on shifts as on test."
    read = (
        "training usually moves a model to the right, and a little up with it; only a move "
        "towards the dashed line is robustness that was gained."
    )
    return Picture(name, title, alt, caption, read, figure)


def effective(run: Run) -> Picture | Absent:
    """Each shift against test, with the line through the models of the run where there is one."""
    name, title = "effective", "Effective robustness"
    stored = {shift: entry for shift, entry in shift_entries(run).items() if shift_models(entry)}
    if not stored:
        return Absent(name, title, _why_none(run))
    panels = _panels(run, stored)
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(3.05 * columns + (1.9 if columns < 3 else 0), 0.5 + 2.75 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.set_layout_engine("constrained", h_pad=0.09)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, shift in zip(grid.flat, panels, strict=False):
        _panel(axes, run, shift, stored[shift])
    figure.supxlabel(f"accuracy on {shorten(id_name(run))}", fontsize=10)
    figure.supylabel("accuracy on the shift", fontsize=10)
    found = [axes.get_legend_handles_labels() for axes in grid.flat]
    shown = {label: handle for pair in found for handle, label in zip(*pair, strict=True)}
    figure.legend(shown.values(), shown.keys(), loc="outside upper left", ncols=3)
    alt = " ".join(_in_words(run, shift, stored[shift]) for shift in panels)
    left_out = len(stored) - len(panels)
    more = f" {left_out} more are in the table." if left_out else ""
    caption = (
        f"{_about_lines(stored)} The thin upright stroke is the effective robustness of the "
        "shipped model, in points in each title; dashed: equal accuracy on both. All axes are "
        f"logit.{more}"
    )
    read = (
        "a better model is usually better on a shift too; the solid line says how much. Above the "
        "line a model keeps more than that, on it no more than usual; below it robustness was lost."
    )
    return Picture(name, title, alt, caption, read, figure)


def _why_none(run: Run) -> str:
    if run.robustness is None:
        return run.reason("robustness.json")
    reasons = [str(entry.get("reason")) for entry in shift_entries(run).values()]
    known = [reason for reason in reasons if reason != "None"]
    return known[0] if known else "no shift was compared with a test set like the training images"


def _panels(run: Run, stored: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Natural shifts first, then those where the shipped model does worst."""
    cards = mapping(mapping(run.scores.get("data")).get("evals"))
    order = {name: place for place, name in enumerate(evals(run.scores))}

    def rank(shift: str) -> tuple[bool, float, int]:
        synthetic = mapping(cards.get(shift)).get("kind") == "synthetic"
        value = number(shift_models(stored[shift]).get(shipped(run.scores), {}).get("effective"))
        return synthetic, 1.0 if value is None else value, order.get(shift, 0)

    chosen = sorted(stored, key=rank)[:MOST_PANELS]
    return sorted(chosen, key=lambda shift: order.get(shift, 0))


def _panel(axes: Axes, run: Run, shift: str, entry: Mapping[str, Any]) -> None:
    found = {
        model: (x, y)
        for model, row in shift_models(entry).items()
        if (x := number(row.get("id"))) is not None and (y := number(row.get("ood"))) is not None
    }
    line, mine = line_of(entry), found.get(shipped(run.scores))
    usual = [] if line is None or mine is None else [line[0] * _logit(mine[0]) + line[1]]
    left, right = _limits([_logit(x) for x, _ in found.values()], 0.35)
    low, high = _limits([*(_logit(y) for _, y in found.values()), *usual], 0.35)
    axes.plot([left, right], [left, right], color=MUTED, linewidth=0.9, linestyle="--")
    if line is not None:
        ends = [line[0] * x + line[1] for x in (left, right)]
        axes.plot([left, right], ends, color=INK, linewidth=1.3, label="usual accuracy")
    if mine is not None and usual and not falls(entry):
        x, y = _logits(mine)
        colour = colour_of(shipped(run.scores))
        axes.plot([x, x], [usual[0], y], color=colour, linewidth=2.4, solid_capstyle="butt")
    for model, place in found.items():
        _mark(axes, run, model, place, 9 if model == shipped(run.scores) else 7)
    axes.set(xlim=(left, right), ylim=(low, high))
    _percent_ticks(axes.xaxis, left, right, 0.2)
    _percent_ticks(axes.yaxis, low, high, 0.12)
    axes.tick_params(labelsize=8.5)
    value = number(shift_models(entry).get(shipped(run.scores), {}).get("effective"))
    said = "no line" if line is None else "line falls" if falls(entry) else points(value)
    axes.set_title(f"{shorten(shift, 20)}: {said}", fontsize=9.5)


def _about_lines(stored: Mapping[str, Mapping[str, Any]]) -> str:
    counts = [number(mapping(entry.get("fit")).get("models")) for entry in stored.values()]
    known = sorted({int(count) for count in counts if count is not None})
    if not known:
        return "No line could be drawn."
    many = str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
    few = known[0] < FEW_MODELS
    weak = " One through few is weak evidence: give models in `robustness.reference`." * few
    falling = " Where it falls it means nothing: better models were worse on the shift." * any(
        falls(entry) for entry in stored.values()
    )
    lines = f"Solid: the usual accuracy on the shift, a line through {many} models."
    return f"{lines}{weak}{falling}"


def _in_words(run: Run, shift: str, entry: Mapping[str, Any]) -> str:
    places = "; ".join(
        f"{model_name(model)} {' and '.join(percent(number(row.get(at))) for at in ('id', 'ood'))}"
        for model, row in shift_models(entry).items()
    )
    value = number(shift_models(entry).get(shipped(run.scores), {}).get("effective"))
    said = f"effective robustness of the shipped model {points(value)}"
    said = "the line falls" if falls(entry) else said
    return f"{shift}, test accuracy and shift accuracy: {places}; {said}."


def _mark(axes: Axes, run: Run, model: str, place: Place, markersize: float) -> None:
    name = model_name(model) + (" (shipped)" if model == shipped(run.scores) else "")
    axes.plot(
        *_logits(place), linestyle="none", color=colour_of(model), marker=marker_of(model),
        markersize=markersize, markeredgecolor=INK, label=name,
    )  # fmt: skip


def _path(run: Run, base: str) -> list[Place]:
    stored = curve_points(run)
    if curve_shifts(run, stored) != shifts(run.scores):
        return []
    pairs = [(at_point(point, [base]), at_point(point, shifts(run.scores))) for point in stored]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def _logit(value: float) -> float:
    # Accuracy 0 and 1 have no logit; they are drawn at the rim.
    inside = min(max(value, 0.002), 0.998)
    return math.log(inside / (1 - inside))


def _logits(place: Place) -> Place:
    return _logit(place[0]), _logit(place[1])


def _limits(values: Sequence[float], margin: float) -> tuple[float, float]:
    found = values or [0.0]
    return min(found) - margin, max(found) + margin


def _percent_ticks(axis: Axis, low: float, high: float, apart: float) -> None:
    """Ticks in percent, at least a share ``apart`` of the axis from each other."""
    ticks: list[float] = []
    for tick in _TICKS:
        far = not ticks or _logit(tick) - _logit(ticks[-1]) > apart * (high - low)
        if low <= _logit(tick) <= high and far:
            ticks.append(tick)
    axis.set_ticks([_logit(tick) for tick in ticks], [f"{100 * t:.4g} %" for t in ticks])
