"""Accuracy against each key of a sweep."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from adapt.report.figures import style
from adapt.report.figures.labels import label_ends
from adapt.report.record.sweep import KeyOfSweep, Series, series_of
from adapt.report.record.words import percent, shorten

LOG_FROM = 8.0
"""Ratio of the largest to the smallest value from which an axis is logarithmic."""
LOOKS = {
    "val": (style.GREEN, "^", (0, (5, 1, 1, 1))),
    "test": (style.BLUE, "o", "-"),
    "shift_mean": (style.VERMILION, "D", "--"),
}


@dataclass(frozen=True)
class _Axis:
    """Where the values of a key stand."""

    places: list[float]
    log: bool = False


def key_figure(content: Mapping[str, Any], key: KeyOfSweep, number: int) -> style.ReportFigure:
    """What each value of a key reaches: val, test and the mean of the shifts.

    Args:
        content: `sweep.json`.
        key: Key and values.
        number: Of the figure; part of its name.
    """
    lines = series_of(content, key)
    figure = style.new_figure(7.4, 3.7)
    axes = figure.add_subplot()
    axis = _axis(key.values)
    ends = [_draw(axes, axis, line) for line in lines]
    if axis.log:
        axes.set_xscale("log")
    axes.set_xticks(axis.places, [shorten(label, 18) for label in key.labels])
    axes.minorticks_off()
    _rotate(axes, key.labels)
    axes.set_xlabel(key.key)
    axes.set_ylabel("accuracy")
    if key.best is not None:
        style.chosen_line(axes, axis.places[key.best])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))
    style.percent_axis(axes)
    label_ends(axes, [end for end in ends if end], 2.7 * 72)
    alt = " ".join([f"By {key.key}.", *(_in_words(line, key.labels) for line in lines)])
    return style.ReportFigure(
        figure, alt, _caption(content, key, lines), _reading(key), key.key, f"key-{number}"
    )


def _axis(values: Sequence[Any]) -> _Axis:
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < len(values) or any(isinstance(value, bool) for value in values):
        return _Axis([float(place) for place in range(len(values))])
    low, high = min(numbers), max(numbers)
    return _Axis([float(value) for value in values], low > 0 and high / low >= LOG_FROM)


def _draw(axes: Axes, axis: _Axis, line: Series) -> tuple[float, float, str, str] | None:
    """Draw one measure; returns the label at its end."""
    colour, marker, dashes = LOOKS[line.measure]
    for place, value in line.others:
        axes.plot(
            axis.places[place], value, color=colour, marker=marker, markersize=3.5, alpha=0.35,
            linestyle="none", zorder=2,
        )  # fmt: skip
    order = sorted(line.points, key=lambda place: axis.places[place])
    if not order:
        return None
    for place in order:
        low, high = line.points[place].low, line.points[place].high
        if high > low:
            x = axis.places[place]
            axes.plot([x, x], [low, high], color=colour, linewidth=1, marker="_", markersize=8)
    xs, means = [axis.places[place] for place in order], [line.points[p].mean for p in order]
    axes.plot(xs, means, color=colour, linestyle=dashes, marker=marker, zorder=3)
    if line.zero_shot is not None:
        axes.axhline(line.zero_shot, color=colour, linewidth=0.8, linestyle=":")
    return xs[-1], means[-1], shorten(line.name, 22), colour


def _rotate(axes: Axes, labels: Sequence[str]) -> None:
    if sum(map(len, labels)) > 60 or math.ceil(max(map(len, labels))) > 14:
        axes.tick_params(axis="x", labelrotation=20)


def _in_words(line: Series, labels: Sequence[str]) -> str:
    points = sorted(line.points.items())
    listed = ", ".join(f"{percent(point.mean)} with {labels[place]}" for place, point in points)
    return f"{line.name}: {listed}."


def _caption(content: Mapping[str, Any], key: KeyOfSweep, lines: Sequence[Series]) -> str:
    text = []
    if len([name for name in content["plan"]["keys"] if name != "seed"]) > 1:
        text.append(
            "For each value, the setting that is best on val; the small marks are all other "
            "settings with this value."
        )
    if any(point.high > point.low for line in lines for point in line.points.values()):
        text.append("Means over seeds, bars from the smallest to the largest.")
    if any(line.zero_shot is not None for line in lines):
        text.append("Dotted lines: zero-shot.")
    if key.best is not None:
        text.append(f"Dotted upright line: the best on val, {key.labels[key.best]}.")
    return " ".join(text)


def _reading(key: KeyOfSweep) -> str:
    if key.best is not None and key.at_the_end:
        return (
            f"the best value is the {key.at_the_end} that was tried: values beyond it may be "
            "better still."
        )
    return "a flat line means that the value hardly matters; choose by val, not by the others."
