"""Several runs in one figure: test against the mean of the shifts."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures import style
from adapt.report.record.scores import mean_of
from adapt.report.record.values import number
from adapt.report.record.words import percent, shorten

LOOKS = (
    (style.BLUE, "o"), (style.VERMILION, "D"), (style.GREEN, "^"), (style.PURPLE, "P"),
    (style.SKY, "v"), (style.MUTED, "X"),
)  # fmt: skip
NAMED = len(LOOKS)
"""Runs that have a look of their own; those beyond share the last one."""


def runs_figure(content: Mapping[str, Any]) -> style.ReportFigure | None:
    """Where every run starts and what it ships, on the test set and on the mean of the shifts.

    Args:
        content: What `adapt report --compare --json` prints.

    Returns:
        None where fewer than two different places are known: that would say nothing.
    """
    test, shifts = content["test"], content["shifts"]
    places = [
        (str(run["name"]), own)
        for run in content["runs"]
        if (own := (_place(run["start"], test), _place(run["shipped"], test)))[1] is not None
    ]
    if not shifts or len({place for _, own in places for place in own if place}) < 2:
        return None
    figure = style.new_figure(7.4, 4.4)
    axes = figure.add_subplot()
    starts, alt = set(), []
    for index, (name, (start, end)) in enumerate(places):
        colour, marker = LOOKS[min(index, NAMED - 1)]
        label = shorten(name, 24) if index < NAMED - 1 or len(places) == NAMED else None
        if index == NAMED - 1 and label is None:
            label = f"{len(places) - NAMED + 1} more"
        assert end is not None
        if start is not None:
            axes.plot(*zip(start, end, strict=True), color=colour, linewidth=1.2, zorder=2)
            starts.add(start)
        axes.plot(*end, marker, color=colour, markersize=9, label=label, zorder=3, ls="none")
        alt.append(f"{name}: {percent(end[0])} on {test}, {percent(end[1])} on the shifts.")
    for index, start in enumerate(sorted(starts)):
        label = "start" if index == 0 else None
        axes.plot(*start, "s", color=style.ORANGE, markersize=8, label=label, zorder=4, ls="none")
    style.percent_axis(axes)
    style.percent_axis(axes, "x")
    axes.margins(0.12)
    axes.set_xlabel(f"{content['measure']} on {shorten(str(test))}")
    axes.set_ylabel(f"{content['measure']} on {shorten(mean_of(shifts))}")
    figure.legend(loc="outside right center")
    read = (
        "right is better on images like the training images, up is better on images that look "
        "different. A line that goes right and down bought the one with the other."
    )
    caption = "Lines go from the start of each run to the model that it ships."
    return style.ReportFigure(figure, " ".join(alt), caption, read, "Test and shifts", "runs")


def _place(own: Mapping[str, Any], test: object) -> tuple[float, float] | None:
    x, y = number(own["scores"].get(test)), number(own["shift_mean"])
    return None if x is None or y is None else (x, y)
