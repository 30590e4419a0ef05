"""The few-shot page: accuracy against images a class, and which method suits."""

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student

from adapt.report.cells import Cell, Table, Text
from adapt.report.end_labels import LINE_LOOKS, label_ends
from adapt.report.numbers import evals, percent, points, shorten
from adapt.report.read import Run, mapping, number
from adapt.report.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    VERMILION,
    Absent,
    Picture,
    new_figure,
    percent_axis,
)

MOST_DRAWN = 5
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, INK)
Band = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval."""


def shots_curve(run: Run) -> Picture | Absent:
    """Accuracy on each eval against images a class, with bands over the draws."""
    name, title = "shots", "Accuracy against images a class"
    if run.few_shot is None:
        return Absent(name, title, run.reason("few_shot.json"))
    bands = {each: _bands(run, each) for each in _names(run)}
    drawn = [each for each in bands if bands[each]][:MOST_DRAWN]
    if not drawn:
        return Absent(name, title, "few_shot.json holds no scored draw")
    figure = new_figure(7.4, 4.0)
    axes = figure.add_subplot()
    ends = []
    for each, colour, look in zip(drawn, _COLOURS, LINE_LOOKS, strict=False):
        shots = list(bands[each])
        means, lows, highs = zip(*bands[each].values(), strict=True)
        axes.fill_between(shots, lows, highs, color=colour, alpha=0.15, linewidth=0)
        axes.plot(shots, means, color=colour, linestyle=look, marker="o", markersize=4)
        if (base := _zero_shot(run, each)) is not None:
            axes.axhline(base, color=colour, linewidth=0.8, linestyle=":")
        ends.append((shots[-1], means[-1], shorten(each, 20), colour))
    ticks = [int(shots) for shots in run.few_shot.get("shots") or []]
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [str(shots) for shots in ticks])
    axes.minorticks_off()
    axes.set_xlabel("training images a class")
    axes.set_ylabel("accuracy")
    percent_axis(axes)
    label_ends(axes, ends, 3.0 * 72)
    alt = " ".join(
        f"{each}: " + ", ".join(f"{percent(b[0])} with {s}" for s, b in bands[each].items()) + "."
        for each in drawn
    )
    alt = f"By training images a class. {alt}"
    draws = number(run.few_shot.get("seeds"))
    caption = (
        f"Mean of {draws:.0f} draws of training images; bands are 95 % intervals of the mean. "
        "Dotted: zero-shot."
    )
    read = (
        "a line that is still rising at its right end wants more images; a flat one does not. "
        "Where a line begins below its dotted one, so few images do harm."
    )
    return Picture(name, title, alt, caption, read, figure)


def shots_table(run: Run) -> Table | None:
    """The numbers of the figure."""
    if run.few_shot is None:
        return None
    bands = {each: _bands(run, each) for each in _names(run)}
    rows = []
    for shots in run.few_shot.get("shots") or []:
        cells = [_band_cell(bands[each].get(int(shots)), _zero_shot(run, each)) for each in bands]
        rows.append([Cell(f"{shots}"), *cells])
    zero = [Cell(percent(_zero_shot(run, each))) for each in bands]
    legend = "Below each mean its 95 % interval over draws; the change is to zero-shot."
    header = ["images a class", *bands]
    return Table("Accuracy by images a class", header, [[Cell("zero-shot"), *zero], *rows],
                 legend=legend)  # fmt: skip


def below_words(run: Run) -> Text | None:
    """Draws that ended below zero-shot, in words; None without any."""
    found = [mapping(one) for one in (run.few_shot or {}).get("below_zero_shot") or []]
    if not found:
        return None
    counts: dict[int, int] = {}
    for one in found:
        shots = int(number(one.get("shots")) or 0)
        counts[shots] = counts.get(shots, 0) + 1
    listed = ", ".join(f"{count} at {shots} a class" for shots, count in sorted(counts.items()))
    judge = (run.few_shot or {}).get("judged_on") or "val"
    return Text(f"Draws whose model is below zero-shot on {judge}: {listed}.")


def ranking_table(run: Run) -> Table | None:
    """Methods as `auto` ranked them inside the training images."""
    ranking = run.ranking
    if ranking is None:
        return None
    rows = []
    for one in map(mapping, ranking.get("methods") or []):
        accuracy, error = number(one.get("accuracy")), number(one.get("error"))
        loss = number(one.get("loss"))
        note = "" if error is None else f"standard error {100 * error:.1f}"
        behind, doubt = number(one.get("behind")), number(one.get("behind_error"))
        lost = "n/a" if behind is None else f"{100 * behind:.1f} ±{100 * (doubt or 0):.1f}"
        own = number(one.get("images"))
        if own and own < (number(ranking.get("images")) or 0):
            note += f", left the race after {own:.0f}"
        best = one.get("name") == ranking.get("best")
        rows.append(
            [
                Cell(str(one.get("name")) + (" (taken)" if best else ""), strong=best),
                Cell(percent(accuracy), note=note),
                Cell(lost),
                Cell("n/a" if loss is None else f"{loss:.3f}"),
            ]
        )
    images = number(ranking.get("images")) or 0
    legend = (
        f"Cross-validation inside the training images ({images:.0f} held out in turn); no "
        "validation or test image plays a part. Behind: points lost to the most accurate one on "
        "the same images, and their standard error. Those less than two errors behind are level: "
        "they stand in the order of earlier experience."
        if images
        else "No class has two images, so nothing could be held out: the order is that of earlier "
        "experience."
    )
    return Table("Which method", ["method", "accuracy", "behind", "log loss"], rows, legend=legend)


def outlook_words(run: Run) -> Text | None:
    """What more images would give, from the learning curve of the best method."""
    ranking = mapping(run.ranking)
    curve, expected = mapping(ranking.get("curve")), mapping(ranking.get("expected"))
    if not curve or not expected:
        return None
    last = max(curve, key=int)
    now = number(curve[last])
    gains = [
        f"{shots} a class would give {percent(number(expected[shots]))} "
        f"({points((number(expected[shots]) or 0) - (now or 0))})"
        for shots in sorted(expected, key=int)
    ]
    recall = {name: number(value) or 0.0 for name, value in mapping(ranking.get("recall")).items()}
    weakest = sorted(recall, key=lambda name: recall[name])[:3]
    named = ", ".join(f"{name} ({percent(recall[name])})" for name in weakest)
    more = number(expected[max(expected, key=int)]) or 0.0
    advice = (
        "Training the towers (LoRA or full) is worth trying: features alone leave much to gain "
        "and more images move them little."
        if now is not None and now < WORTH_TRAINING and more - now < STILL_RISING
        else "More images are likely worth more than a heavier method."
        if now is not None and more - now >= STILL_RISING
        else "There is little left to gain on images like these."
    )
    return Text(
        f"With {last} images a class held-out accuracy is {percent(now)}; if the curve goes on as "
        f"it does, {' and '.join(gains)}. Weakest classes: {named}. {advice}"
    )


WORTH_TRAINING, STILL_RISING = 0.9, 0.02
"""Held-out accuracy below which there is something to gain, and the gain from four times the images
that is called rising: rules of thumb, not measured on these images."""


def _names(run: Run) -> list[str]:
    scored = mapping((run.few_shot or {}).get("zero_shot"))
    return [name for name in [*evals(run.scores), "val"] if name in scored]


def _zero_shot(run: Run, name: str) -> float | None:
    return number(mapping((run.few_shot or {}).get("zero_shot")).get(name))


def _bands(run: Run, name: str) -> dict[int, Band]:
    values: dict[int, list[float]] = {}
    for cell in map(mapping, (run.few_shot or {}).get("cells") or []):
        accuracy = number(mapping(cell.get("accuracy")).get(name))
        shots = number(cell.get("shots"))
        if accuracy is not None and shots is not None:
            values.setdefault(int(shots), []).append(accuracy)
    return {shots: band(found) for shots, found in sorted(values.items())}


def band(values: Sequence[float]) -> Band:
    """Mean and its 95 % interval by Student's t; the interval of one value is itself.

    >>> [round(end, 4) for end in band([0.5, 0.7])]
    [0.6, -0.6706, 1.8706]
    """
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean, mean
    error = statistics.stdev(values) / math.sqrt(len(values))
    reach = float(student.ppf(0.975, len(values) - 1)) * error
    return mean, mean - reach, mean + reach


def _band_cell(found: Band | None, base: float | None) -> Cell:
    if found is None:
        return Cell("n/a")
    mean, low, high = found
    change = "" if base is None else points(mean - base)
    return Cell(percent(mean), note=f"{100 * low:.1f} to {100 * high:.1f}", change=change)
