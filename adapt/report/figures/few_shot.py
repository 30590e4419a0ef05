"""Accuracy against training images per class."""

from typing import Any

from matplotlib.axes import Axes

from adapt.report.figures import style
from adapt.report.figures.labels import LINES, label_ends
from adapt.report.record.few_shot import FewShotRecord, band, read_few_shot
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import enumerated, percent, shorten

MOST_DRAWN = 5


@style.figure("shots", "Accuracy against training images per class", needs="few_shot.json")
def shots_curve(run: RunRecord) -> style.ReportFigure | str | None:
    """Accuracy on each eval against images per class, with bands over the draws."""
    few = read_few_shot(run)
    scored = {name for draws in few.shown for name in draws.accuracies}
    drawn = [name for name in few.zero_shot if name in scored][:MOST_DRAWN]
    if not drawn:
        return "few_shot.json holds no scored draw"
    if len(few.shown) < 2:
        return None
    figure = style.new_figure(7.4, 4.0)
    axes = figure.add_subplot()
    ends, alt = [], ["By training images per class."]
    for name, (colour, dashes) in zip(drawn, LINES, strict=False):
        means = _draw_line(axes, few, name, colour, dashes)
        if (base := few.zero_shot[name]) is not None:
            axes.axhline(base, color=colour, linewidth=0.8, linestyle=":")
        last = max(means)
        ends.append((last, means[last], shorten(name, 20), colour))
        listed = ", ".join(f"{percent(mean)} with {shots}" for shots, mean in means.items())
        alt.append(f"{name}: {listed}.")
    ticks = [draws.shots for draws in few.shown]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(shots) for shots in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training images per class")
    axes.set_ylabel("accuracy")
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.0), min(high, 1.0))
    style.percent_axis(axes)
    label_ends(axes, ends, 3.0 * 72)
    caption = _caption(few, number(mapping(run.few_shot).get("seeds")) or 0)
    return style.ReportFigure(figure, " ".join(alt), caption, _reading(few))


def _draw_line(
    axes: Axes, few: FewShotRecord, name: str, colour: str, dashes: Any
) -> dict[int, float]:
    """Draw one eval, and return its means by number of images per class."""
    scored = [draws for draws in few.shown if name in draws.accuracies]
    bands = {draws.shots: band(draws.accuracies[name]) for draws in scored}
    means, lows, highs = ({shots: ends[at] for shots, ends in bands.items()} for at in range(3))
    scattered = [draws.scattered for draws in scored]
    if sum(scattered) == 1:
        alone = scored[scattered.index(True)].shots  # a band of one point has no width
        ends = [lows[alone], highs[alone]]
        axes.plot([alone] * 2, ends, color=colour, linewidth=1, alpha=0.7, marker="_", markersize=9)
    axes.fill_between(
        list(means), list(lows.values()), list(highs.values()), where=scattered,
        color=colour, alpha=0.15, linewidth=0,
    )  # fmt: skip
    axes.plot(list(means), list(means.values()), color=colour, linestyle=dashes)
    for shots, filled in zip(means, scattered, strict=True):
        axes.plot(
            shots, means[shots], color=colour, marker="o", markersize=5, clip_on=False, zorder=3,
            markerfacecolor=colour if filled else style.PAPER,
        )  # fmt: skip
    return means


def _caption(few: FewShotRecord, seeds: float) -> str:
    shown, scattered = few.shown, sum(draws.scattered for draws in few.shown)
    mean = f"Mean of {seeds:.0f} draws of training images"
    reach = f"{'bands' if scattered > 1 else 'bars'} are 95 % intervals of the mean"
    text = [f"{mean}; {reach}." if scattered else f"{mean}.", "Dotted: zero-shot."]
    lacking = [draws.shots for draws in shown if few.lacking(draws.shots)]
    if lacking:
        listed = ", ".join(f"{few.who_lacks(shots)} at {shots}" for shots in lacking)
        text.append(
            f"Classes with fewer images give all they have: {listed} images per class (the "
            f"smallest class has {few.fewest})."
        )
    text += [
        f"Hollow: at {draws.shots} per class, every draw is the same {len(draws.images[0])} "
        "images, so there is no interval."
        for draws in shown
        if draws.same
    ]
    if few.dropped:
        most = max(few.counts, default=shown[-1].shots)
        text.append(
            f"Left out: {enumerated([str(shots) for shots in few.dropped])} images per class; no "
            f"class has more than {most}, so the same images would be drawn again."
        )
    return " ".join(text)


def _reading(few: FewShotRecord) -> str:
    harm = "Where a line begins below its dotted one, so few images do harm."
    full = [draws.shots for draws in few.shown if not few.lacking(draws.shots)]
    trend = (
        "where a line still rises at its right end, more images would help; where it is flat, "
        "they would not."
    )
    if len(full) < len(few.shown):
        trend = (
            f"up to {full[-1]} per class, a line that still rises means that more images would "
            "help, and a flat line means that they would not. Further right, not every class has "
            "more images to give, so a flat line says nothing there."
            if len(full) > 1
            else "where a line still rises at its right end, more images would help; a flat line "
            "says nothing, since not every class has more images to give."
        )
    return f"{trend} {harm}"
