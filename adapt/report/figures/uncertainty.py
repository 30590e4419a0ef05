"""The risk-coverage figure: how errors fall when unsure images are left to a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from adapt.report.figures.labels import LINE_LOOKS, label_ends
from adapt.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    VERMILION,
    Absent,
    Picture,
    new_figure,
    percent_axis,
)
from adapt.report.record.numbers import decimal, evals, percent, share, shorten, test
from adapt.report.record.read import Run, mapping, number

MOST_NAMED = 6
_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, INK)
Line = list[tuple[float, float]]


def risk_coverage(run: Run) -> Picture | Absent:
    """Error rate among the images the model is surest of, one line per eval."""
    name, title = "risk_coverage", "Risk and coverage"
    if run.uncertainty is None:
        return Absent(name, title, run.reason("uncertainty.json"))
    lines = curves(run)
    if not lines:
        return Absent(name, title, "no test set was evaluated")
    named = _named(run, lines)
    figure = new_figure(7.4, 3.9)
    axes = figure.add_subplot()
    others = [each for each in lines if each not in named]
    for index, each in enumerate(others):
        many = f"{len(others)} other eval{'s' * (len(others) > 1)}"
        label = many if index == 0 else None
        axes.plot(*zip(*lines[each], strict=True), color=MUTED, lw=0.8, alpha=0.55, label=label)
    for each, colour, look in zip(named, _COLOURS, LINE_LOOKS, strict=False):
        axes.plot(*zip(*lines[each], strict=True), color=colour, linestyle=look, linewidth=1.8)
        _mark_threshold(axes, run, each, colour)
    axes.set_xlim(0, 1.0)
    axes.set_ylim(0, max(0.05, 1.06 * max(y for line in lines.values() for _, y in line)))
    axes.set_xlabel("coverage: share of the images that is answered, surest first")
    axes.set_ylabel("risk: error among these")
    percent_axis(axes)
    percent_axis(axes, "x")
    ends = zip(named, _COLOURS, strict=False)
    label_ends(axes, [(*lines[e][-1], shorten(e, 22), c) for e, c in ends], 3.1 * 72)
    if others:
        axes.legend(loc="upper left")
    areas = mapping((run.uncertainty or {}).get("risk_coverage"))
    alt = " ".join(_in_words(each, lines[each], mapping(areas.get(each))) for each in named)
    coverage = number(mapping(run.uncertainty.get("abstention")).get("coverage"))
    caption = "Confidence is that of the shipped model, after temperature."
    if coverage is not None:
        caption += (
            f" Diamonds: what the threshold that answers {share(coverage)} of val does there."
        )
    read = (
        "go from right (every image answered) to left (only the surest): errors should fall. A "
        "line that stays flat or rises to the left belongs to images on which confidence cannot "
        "be trusted. The far left is a handful of images and jumps about."
    )
    return Picture(name, title, alt, caption, read, figure)


def curves(run: Run) -> dict[str, Line]:
    """Coverage and risk of every eval that stores them, in recipe order."""
    stored = mapping(mapping(run.uncertainty).get("risk_coverage"))
    order = [name for name in evals(run.scores) if name in stored]
    found = {name: _line(mapping(stored[name])) for name in dict.fromkeys([*order, *stored])}
    return {name: line for name, line in found.items() if line}


def _line(entry: Mapping[str, Any]) -> Line:
    pairs = zip(entry.get("coverage") or [], entry.get("risk") or [], strict=False)
    known = [(number(x), number(y)) for x, y in pairs]
    return [(x, y) for x, y in known if x is not None and y is not None]


def _named(run: Run, lines: Mapping[str, Line]) -> list[str]:
    """All when few; else the test set, natural shifts, then where most goes wrong."""
    if len(lines) <= MOST_NAMED:
        return list(lines)
    cards = mapping(mapping(run.scores.get("data")).get("evals"))

    def rank(name: str) -> tuple[bool, bool, float]:
        synthetic = mapping(cards.get(name)).get("kind") == "synthetic"
        return name != test(run.scores), synthetic, -lines[name][-1][1]

    chosen = sorted(lines, key=rank)[:MOST_NAMED]
    return [name for name in lines if name in chosen]


def _mark_threshold(axes: Axes, run: Run, name: str, colour: str) -> None:
    abstention = mapping(mapping(run.uncertainty).get("abstention"))
    found = mapping(mapping(abstention.get("evals")).get(name))
    coverage, accuracy = number(found.get("coverage")), number(found.get("accuracy"))
    if coverage is not None and accuracy is not None:
        axes.plot(
            coverage, 1 - accuracy, "D", color=colour, markeredgecolor=INK, markersize=6.5, zorder=4
        )


def _in_words(name: str, line: Sequence[tuple[float, float]], entry: Mapping[str, Any]) -> str:
    half = min(line, key=lambda place: abs(place[0] - 0.5))
    return (
        f"{name}: error {percent(line[-1][1])} with {percent(line[-1][0])} answered, "
        f"{percent(half[1])} with {percent(half[0])} answered; area "
        f"{decimal(number(entry.get('area')))}."
    )
