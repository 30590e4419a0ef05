"""What adapting changed: single predictions, and accuracy on other classes."""

from collections.abc import Mapping
from typing import Any

from adapt.report.figures import style
from adapt.report.figures.labels import LINES, label_ends
from adapt.report.record.curve import chosen_alpha, line_ships
from adapt.report.record.measures import entries
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import percent, points, shorten

MOST_BARS = 24
SMALLEST_SPAN = 0.1
NO_RETENTION = "no eval of the recipe has `retention: true`, so other classes were not tested"


@style.figure("flips", "Predictions gained and lost", needs="robustness.json")
def flips(run: RunRecord) -> style.ReportFigure | str | None:
    """Images gained and lost compared with zero-shot, as bars to both sides."""
    rows = [
        (name, gained, lost)
        for name, entry in entries(run, "flips").items()
        if (gained := number(entry.get("gained"))) is not None
        and (lost := number(entry.get("lost"))) is not None
    ]
    if not rows:
        return "no test set was evaluated"
    if not any(gained or lost for _, gained, lost in rows):
        return None
    if len(rows) > MOST_BARS:
        kept = sorted(rows, key=lambda row: -row[2])[:MOST_BARS]
        rows = [row for row in rows if row in kept]
    figure = style.new_figure(7.4, 1.25 + 0.3 * len(rows))
    axes = figure.add_subplot()
    places = range(len(rows))
    axes.barh(places, [row[1] for row in rows], height=0.62, color=style.BLUE, label="gained")
    losses = [-row[2] for row in rows]
    for bar in axes.barh(places, losses, height=0.62, color=style.VERMILION, label="lost"):
        bar.set(hatch="////", edgecolor=style.PAPER, linewidth=0)
    for place, (_, gained, lost) in enumerate(rows):
        for at, text, align in ((gained, points(gained), "left"), (-lost, points(-lost), "right")):
            axes.annotate(
                text, (at, place), (4 if at >= 0 and align == "left" else -4, 0),
                textcoords="offset points", ha=align, va="center", fontsize=8.5,
            )  # fmt: skip
    axes.axvline(0, color=style.INK, linewidth=1)
    axes.set_yticks(places, [shorten(row[0]) for row in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.14)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(100 * value):.4g} %")
    axes.set_xlabel("fraction of the images")
    figure.legend(loc="outside upper left", ncols=2)
    alt = "; ".join(f"{e}: gained {percent(g)}, lost {percent(lost)}" for e, g, lost in rows)
    caption = "Gained: only the shipped model is right. Lost (hatched): only zero-shot is right."
    if len(rows) < len(entries(run, "flips")):
        caption += " Only the evals that lost most are shown; the table lists all."
    read = (
        "bars to the right are images that adapting put right, bars to the left are images that it "
        "got wrong. Even where accuracy rises, a long bar on the left means that answers on which "
        "users relied have changed."
    )
    return style.ReportFigure(figure, f"{alt}.", caption, read)


@style.figure("forgetting", "Forgetting curve", needs="robustness.json")
def forgetting(run: RunRecord) -> style.ReportFigure | str:
    """Accuracy on other classes along the line from zero-shot to the adapted model."""
    kept = entries(run, "retention")
    curves = {name: line for name, entry in kept.items() if len(line := _curve(entry)) > 1}
    if not curves:
        return "the retention sets were not scored along alpha" if kept else NO_RETENTION
    shown = dict(list(curves.items())[: len(LINES)])
    figure = style.new_figure(7.4, 3.3)
    axes = figure.add_subplot()
    for line, (colour, dashes) in zip(shown.values(), LINES, strict=False):
        axes.plot(*zip(*line, strict=True), color=colour, linestyle=dashes, marker="o", ms=4.5)
    values = [value for line in shown.values() for _, value in line]
    middle, span = (max(values) + min(values)) / 2, max(values) - min(values)
    half = max(span * 0.56, SMALLEST_SPAN / 2)
    axes.set_ylim(middle - half, middle + half)
    axes.set_xlim(-0.03, 1.03)
    chosen = chosen_alpha(run)
    chosen = number(run.scores.get("alpha")) if chosen is None else chosen
    if chosen is not None:
        style.chosen_line(axes, chosen)
        dotted = "shipped" if line_ships(run) else "mixed model (not shipped)"
        axes.set_title(f"dotted: {dotted}, alpha {chosen:g}", fontsize=9, fontweight="normal")
    axes.set_xlabel("alpha (0 = zero-shot, 1 = adapted)")
    axes.set_ylabel("accuracy on other classes")
    style.percent_axis(axes)
    named = zip(shown.items(), LINES, strict=False)
    ends = [(*line[-1], shorten(name, 22), colour) for (name, line), (colour, _) in named]
    label_ends(axes, ends, 2.4 * 72)
    alt = " ".join(
        f"{name}: {percent(line[0][1])} at alpha {line[0][0]:g}, {percent(line[-1][1])} at alpha "
        f"{line[-1][0]:g}."
        for name, line in shown.items()
    )
    more = f" {len(curves) - len(shown)} more are in the table." if len(curves) > len(shown) else ""
    caption = (
        "Accuracy on classes that the model was not adapted to, with a head made from their "
        f"names. The axis does not start at 0.{more}"
    )
    read = (
        "a line that falls towards the right means that training pushes out what the model knew "
        "of other things. "
    )
    if line_ships(run):
        read += "What you ship is where a line crosses the dotted one."
    else:
        read += "What you ship, the mixed probe, has the encoders of zero-shot: see alpha 0."
    return style.ReportFigure(figure, alt, caption, read)


def _curve(entry: Mapping[str, Any]) -> list[tuple[float, float]]:
    return sorted(
        (alpha, accuracy)
        for point in map(mapping, entry.get("curve") or [])
        if (alpha := number(point.get("alpha"))) is not None
        and (accuracy := number(point.get("accuracy"))) is not None
    )
