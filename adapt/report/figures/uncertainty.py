"""Confidence: reliability, and how errors fall when unsure images are left to a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from adapt.common.words import plural
from adapt.report.figures import style
from adapt.report.figures.labels import LINES, label_ends
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import decimal, percent, short_percent, shorten

Bins = Sequence[Mapping[str, Any]]
Line = list[tuple[float, float]]


@style.figure("risk_coverage", "Risk and coverage", needs="uncertainty.json")
def risk_coverage(run: RunRecord) -> style.ReportFigure | str | None:
    """Error rate among the images the model is surest of, one line per eval."""
    lines = curves(run)
    if not lines:
        return "no test set was evaluated"
    if all(len({risk for _, risk in line}) < 2 for line in lines.values()):
        return None
    named = _named(run, lines)
    figure = style.new_figure(7.4, 3.9)
    axes = figure.add_subplot()
    others = [name for name in lines if name not in named]
    for index, name in enumerate(others):
        label = plural(len(others), "other eval") if index == 0 else None
        x, y = zip(*lines[name], strict=True)
        axes.plot(x, y, color=style.MUTED, linewidth=0.8, alpha=0.55, label=label)
    for name, (colour, dashes) in zip(named, LINES, strict=False):
        axes.plot(*zip(*lines[name], strict=True), color=colour, linestyle=dashes, linewidth=1.8)
        _mark_threshold(axes, run, name, colour)
    axes.set_xlim(0, 1.0)
    axes.set_ylim(0, max(0.05, 1.06 * max(y for line in lines.values() for _, y in line)))
    axes.set_xlabel("coverage: fraction of the images that is answered, surest first")
    axes.set_ylabel("risk: error rate among these")
    style.percent_axis(axes)
    style.percent_axis(axes, "x")
    ends = zip(named, LINES, strict=False)
    label_ends(axes, [(*lines[e][-1], shorten(e, 22), c) for e, (c, _) in ends], 3.1 * 72)
    if others:
        axes.legend(loc="upper left")
    stored = mapping(run.uncertainty)
    areas = mapping(stored.get("risk_coverage"))
    alt = " ".join(_in_words(name, lines[name], mapping(areas.get(name))) for name in named)
    coverage = number(mapping(stored.get("abstention")).get("coverage"))
    caption = "Confidence is that of the shipped model, after temperature."
    if coverage is not None:
        caption += (
            f" Diamonds: the threshold that answers {short_percent(coverage)} of val, on each eval."
        )
    read = (
        "from right (every image answered) to left (only the surest), errors should fall. A line "
        "that stays flat or rises towards the left belongs to images on which confidence cannot "
        "be trusted. The far left is a handful of images and is noisy."
    )
    return style.ReportFigure(figure, alt, caption, read)


def curves(run: RunRecord) -> dict[str, Line]:
    """Coverage and risk of every eval that stores them, in recipe order."""
    stored = run.scores.by_eval(mapping(run.uncertainty).get("risk_coverage"))
    return {name: line for name, entry in stored.items() if (line := _line(entry))}


def _line(entry: Mapping[str, Any]) -> Line:
    pairs = zip(entry.get("coverage") or [], entry.get("risk") or [], strict=False)
    known = [(number(x), number(y)) for x, y in pairs]
    return [(x, y) for x, y in known if x is not None and y is not None]


def _named(run: RunRecord, lines: Mapping[str, Line]) -> list[str]:
    """All when few; else the test set, natural shifts, then where most goes wrong."""
    if len(lines) <= len(LINES):
        return list(lines)

    def rank(name: str) -> tuple[bool, bool, float]:
        return name != run.scores.test, run.scores.is_synthetic(name), -lines[name][-1][1]

    chosen = sorted(lines, key=rank)[: len(LINES)]
    return [name for name in lines if name in chosen]


def _mark_threshold(axes: Axes, run: RunRecord, name: str, colour: str) -> None:
    abstention = mapping(mapping(run.uncertainty).get("abstention"))
    entry = mapping(mapping(abstention.get("evals")).get(name))
    coverage, accuracy = number(entry.get("coverage")), number(entry.get("accuracy"))
    if coverage is not None and accuracy is not None:
        edge = style.INK
        axes.plot(coverage, 1 - accuracy, "D", color=colour, mec=edge, markersize=6.5, zorder=4)


def _in_words(name: str, line: Sequence[tuple[float, float]], entry: Mapping[str, Any]) -> str:
    half = min(line, key=lambda place: abs(place[0] - 0.5))
    return (
        f"{name}: error {percent(line[-1][1])} with {percent(line[-1][0])} answered, "
        f"{percent(half[1])} with {percent(half[0])} answered; area "
        f"{decimal(entry.get('area'))}."
    )


@style.figure("reliability_0", "Reliability", needs="reliability.json")
def reliability(run: RunRecord) -> style.ReportFigure | str | None:
    """Reliability on the test set, before and after temperature scaling."""
    name = run.scores.test
    return "no test set was evaluated" if name is None else _reliability(run, name, "")


@style.figure("reliability_1", "Reliability on a shift", needs="reliability.json")
def reliability_on_a_shift(run: RunRecord) -> style.ReportFigure | str | None:
    """The same on the shift with the largest calibration error."""
    model, shifts = run.scores.shipped, run.scores.shifts
    errors = {name: run.scores.metric(model, name, "ece") for name in shifts}
    known = {name: error for name, error in errors.items() if error is not None}
    if not known:
        return "no shift was scored"
    worst = max(known, key=lambda name: known[name])
    return _reliability(run, worst, " (the shift with the largest calibration error)")


def _bins(run: RunRecord, stage: str, name: str) -> Bins:
    bins = ((run.reliability or {}).get(stage) or {}).get(name) or []
    return [entry for entry in bins if number(entry.get("n"))]


def _reliability(run: RunRecord, name: str, remark: str) -> style.ReportFigure | str | None:
    if not any(_bins(run, stage, name) for stage in ("before", "after")):
        return run.reason("reliability.json")
    if all(len(_bins(run, stage, name)) < 2 for stage in ("before", "after")):
        return None
    figure = style.new_figure(7.4, 4.3)
    grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    alt = []
    for column, stage in enumerate(("before", "after")):
        bins = _bins(run, stage, name)
        gap = _gap(bins)
        alt.append(f"{stage} temperature: {_bins_in_words(bins)}")
        _draw_bins(grid[0, column], grid[1, column], bins)
        error = f"calibration error {decimal(gap)}" if bins else "n/a, no bins stored"
        grid[0, column].set_title(f"{stage}: {error}")
    grid[0, 0].set_ylabel("accuracy")
    grid[1, 0].set_ylabel("images")
    temperature = number(run.scores.get("temperature"))
    scaled = "" if temperature is None else f" with temperature {temperature:.3g}"
    caption = (
        f"Left: before calibration; right: after it{scaled}. "
        "Hatched: the gap. Below: how many images fall into each bin."
    )
    read = (
        "on the dashed line the model is right as often as it claims; bars that end below it mean "
        "that it is too sure of itself. Bars of few images are noisy."
    )
    title = f"Reliability on {name}{remark}"
    return style.ReportFigure(figure, " ".join(alt), caption, read, title)


def _draw_bins(upper: Axes, lower: Axes, bins: Bins) -> None:
    for entry in bins:
        low, width = float(entry["lower"]), float(entry["upper"]) - float(entry["lower"])
        reached, claimed = number(entry.get("accuracy")), number(entry.get("confidence"))
        if reached is not None:
            upper.bar(
                low,
                reached,
                width,
                align="edge",
                color=style.BLUE,
                edgecolor=style.PAPER,
                alpha=0.85,
            )
        if reached is not None and claimed is not None:
            upper.bar(
                low, claimed - reached, width, bottom=reached, align="edge", color="none",
                edgecolor=style.VERMILION, hatch="////", linewidth=0.8,
            )  # fmt: skip
        count = float(entry["n"])
        lower.bar(low, count, width, align="edge", color=style.MUTED, edgecolor=style.PAPER)
    upper.plot([0, 1], [0, 1], color=style.INK, linewidth=1, linestyle="--")
    upper.set_xlim(0, 1)
    upper.set_xticks([0, 0.25, 0.5, 0.75])
    upper.set_ylim(0, 1)
    style.percent_axis(upper)
    style.percent_axis(lower, "x")
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    lower.set_xlabel("confidence")


def _gap(bins: Bins) -> float | None:
    total = sum(float(entry["n"]) for entry in bins)
    if not total:
        return None
    gaps = [
        float(entry["n"]) * abs(confidence - accuracy)
        for entry in bins
        if (confidence := number(entry.get("confidence"))) is not None
        and (accuracy := number(entry.get("accuracy"))) is not None
    ]
    return sum(gaps) / total


def _bins_in_words(bins: Bins) -> str:
    return (
        "; ".join(
            f"{float(entry['n']):g} images at confidence {percent(entry.get('confidence'))}"
            f" have accuracy {percent(entry.get('accuracy'))}"
            for entry in bins
        )
        or "n/a"
    ) + "."
