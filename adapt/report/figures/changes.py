"""What adapting changed: single predictions, and what is known of other classes."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures.alpha import chosen_alpha
from adapt.report.figures.labels import LINE_LOOKS, label_ends
from adapt.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    PAPER,
    PURPLE,
    VERMILION,
    Absent,
    Picture,
    new_figure,
    percent_axis,
)
from adapt.report.record.measures import entries
from adapt.report.record.numbers import percent, points, shorten
from adapt.report.record.read import Run, mapping, number

MOST_BARS = 24
MOST_LINES = 6
SMALLEST_SPAN = 0.1
NO_RETENTION = "no eval of the recipe has `retention: true`, so other classes were not tested"
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, INK, BLUE)


def flips(run: Run) -> Picture | Absent:
    """Images gained and lost against zero-shot, as bars to both sides."""
    name, title = "flips", "Predictions gained and lost"
    rows = [
        (each, gained, lost)
        for each, entry in entries(run, "flips").items()
        if (gained := number(entry.get("gained"))) is not None
        and (lost := number(entry.get("lost"))) is not None
    ]
    if not rows:
        why = "no test set was evaluated"
        return Absent(name, title, run.reason("robustness.json") if not run.robustness else why)
    if len(rows) > MOST_BARS:
        kept = sorted(rows, key=lambda row: -row[2])[:MOST_BARS]
        rows = [row for row in rows if row in kept]
    figure = new_figure(7.4, 1.25 + 0.3 * len(rows))
    axes = figure.add_subplot()
    places = range(len(rows))
    axes.barh(places, [row[1] for row in rows], height=0.62, color=BLUE, label="gained")
    losses = [-row[2] for row in rows]
    for bar in axes.barh(places, losses, height=0.62, color=VERMILION, label="lost"):
        bar.set(hatch="////", edgecolor=PAPER, linewidth=0)
    for place, (_, gained, lost) in enumerate(rows):
        for at, text, align in ((gained, points(gained), "left"), (-lost, points(-lost), "right")):
            axes.annotate(
                text, (at, place), (4 if at >= 0 and align == "left" else -4, 0),
                textcoords="offset points", ha=align, va="center", fontsize=8.5,
            )  # fmt: skip
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(places, [shorten(row[0]) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.14)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(100 * value):.4g} %")
    axes.set_xlabel("share of the images")
    figure.legend(loc="outside upper left", ncols=2)
    alt = "; ".join(f"{e}: gained {percent(g)}, lost {percent(lost)}" for e, g, lost in rows)
    caption = "Gained: right now, wrong in zero-shot. Lost (hatched): wrong now, right before."
    if len(rows) < len(entries(run, "flips")):
        caption += " The evals that lost most; the table has all."
    read = (
        "bars to the right are images that adapting repaired, bars to the left are images it "
        "broke. Even where accuracy rises, a long bar on the left means answers that users relied "
        "on have changed."
    )
    return Picture(name, title, f"{alt}.", caption, read, figure)


def forgetting(run: Run) -> Picture | Absent:
    """Accuracy on other classes along the line from zero-shot to the adapted model."""
    name, title = "forgetting", "Forgetting curve"
    if run.robustness is None:
        return Absent(name, title, run.reason("robustness.json"))
    kept = entries(run, "retention")
    curves = {each: found for each, entry in kept.items() if len(found := _curve(entry)) > 1}
    if not curves:
        why = "the retention sets were not scored along alpha"
        return Absent(name, title, why if kept else NO_RETENTION)
    shown = dict(list(curves.items())[:MOST_LINES])
    figure = new_figure(7.4, 3.3)
    axes = figure.add_subplot()
    for (_, line), colour, style in zip(shown.items(), _COLOURS, LINE_LOOKS, strict=False):
        axes.plot(*zip(*line, strict=True), color=colour, linestyle=style, marker="o", ms=4.5)
    values = [value for line in shown.values() for _, value in line]
    middle, span = (max(values) + min(values)) / 2, max(values) - min(values)
    half = max(span * 0.56, SMALLEST_SPAN / 2)
    axes.set_ylim(middle - half, middle + half)
    axes.set_xlim(-0.03, 1.03)
    chosen = chosen_alpha(run)
    chosen = number(run.scores.get("alpha")) if chosen is None else chosen
    if chosen is not None:
        axes.axvline(chosen, color=INK, linewidth=1.2, linestyle=":", zorder=1)
        axes.set_title(f"dotted: shipped, alpha {chosen:g}", fontsize=9, fontweight="normal")
    axes.set_xlabel("alpha (0 = zero-shot, 1 = adapted)")
    axes.set_ylabel("accuracy on other classes")
    percent_axis(axes)
    named = zip(shown.items(), _COLOURS, strict=False)
    ends = [(*line[-1], shorten(each, 22), colour) for (each, line), colour in named]
    label_ends(axes, ends, 2.4 * 72)
    alt = " ".join(
        f"{each}: {percent(line[0][1])} at alpha {line[0][0]:g}, {percent(line[-1][1])} at alpha "
        f"{line[-1][0]:g}."
        for each, line in shown.items()
    )
    more = f" {len(curves) - len(shown)} more are in the table." if len(curves) > len(shown) else ""
    caption = (
        "Accuracy on classes the model was not adapted to, with a head made from their names. "
        f"The axis does not start at 0.{more}"
    )
    read = (
        "a line that falls to the right means that training pushes out what the model knew of "
        "other things. What you ship is where the line crosses the dotted one."
    )
    return Picture(name, title, alt, caption, read, figure)


def _curve(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    found = [
        (alpha, accuracy)
        for each in entry.get("curve") or []
        if (alpha := number(mapping(each).get("alpha"))) is not None
        and (accuracy := number(mapping(each).get("accuracy"))) is not None
    ]
    return sorted(found)
