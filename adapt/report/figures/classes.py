"""Figures about classes and confidence: reliability, confusion, per-class recall, learning."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from adapt.report.figures.style import (
    BLUE,
    GREEN,
    GRID,
    INK,
    MUTED,
    ORANGE,
    PAPER,
    VERMILION,
    Absent,
    Picture,
    colour_of,
    new_figure,
    percent_axis,
)
from adapt.report.record.numbers import (
    ZERO_SHOT,
    decimal,
    metric,
    model_name,
    percent,
    points,
    shifts,
    shipped,
    shorten,
    test,
)
from adapt.report.record.read import Row, Run, number

MANY_CLASSES = 40
MOST_CHANGED = 20
COUNT_MAP = LinearSegmentedColormap.from_list("count", ["#ffffff", "#56b4e9", "#00406b"])
Bins = Sequence[Mapping[str, Any]]


def reliability(run: Run) -> list[Picture | Absent]:
    """Reliability before and after temperature, on test and on the worst calibrated shift."""
    absent = Absent("reliability", "Reliability", run.reason("reliability.json"))
    base = test(run.scores)
    if run.reliability is None or base is None:
        return [absent]
    model = shipped(run.scores)
    errors = {name: metric(run.scores, model, name, "ece") for name in shifts(run.scores)}
    known = {name: error for name, error in errors.items() if error is not None}
    chosen = [base, *([max(known, key=lambda name: known[name])] if known else [])]
    drawn = [
        _reliability(run, name, f"reliability_{index}")
        for index, name in enumerate(chosen)
        if _bins(run, "before", name) or _bins(run, "after", name)
    ]
    return [*drawn] or [absent]


def _bins(run: Run, stage: str, name: str) -> Bins:
    bins = ((run.reliability or {}).get(stage) or {}).get(name) or []
    return [each for each in bins if number(each.get("n"))]


def _reliability(run: Run, name: str, file: str) -> Picture:
    figure = new_figure(7.4, 4.3)
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
    title = f"Reliability on {name}"
    if name != test(run.scores):
        title += " (the shift with the largest calibration error)"
    temperature = number(run.scores.get("temperature"))
    scaled = "" if temperature is None else f" with temperature {temperature:.3g}"
    caption = (
        f"Left: before calibration; right: after it{scaled}. "
        "Hatched: the gap. Below: how many images fall in each bin."
    )
    read = (
        "on the dashed line the model is right as often as it claims; bars that end below it mean "
        "that it is too sure of itself. Bars of few images jump about."
    )
    return Picture(file, title, " ".join(alt), caption, read, figure)


def _draw_bins(upper: Axes, lower: Axes, bins: Bins) -> None:
    for each in bins:
        low, width = float(each["lower"]), float(each["upper"]) - float(each["lower"])
        reached, claimed = number(each.get("accuracy")), number(each.get("confidence"))
        if reached is not None:
            upper.bar(low, reached, width, align="edge", color=BLUE, edgecolor=PAPER, alpha=0.85)
        if reached is not None and claimed is not None:
            upper.bar(
                low,
                claimed - reached,
                width,
                bottom=reached,
                align="edge",
                color="none",
                edgecolor=VERMILION,
                hatch="////",
                linewidth=0.8,
            )
        lower.bar(low, float(each["n"]), width, align="edge", color=MUTED, edgecolor=PAPER)
    upper.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle="--")
    upper.set_xlim(0, 1)
    upper.set_xticks([0, 0.25, 0.5, 0.75])
    upper.set_ylim(0, 1)
    percent_axis(upper)
    percent_axis(lower, "x")
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    lower.set_xlabel("confidence")


def _gap(bins: Bins) -> float | None:
    total = sum(float(each["n"]) for each in bins)
    if not total:
        return None
    gaps = [
        float(each["n"]) * abs(float(each["confidence"]) - float(each["accuracy"]))
        for each in bins
        if number(each.get("confidence")) is not None and number(each.get("accuracy")) is not None
    ]
    return sum(gaps) / total


def _bins_in_words(bins: Bins) -> str:
    return (
        "; ".join(
            f"{float(each['n']):g} images at confidence {percent(number(each.get('confidence')))}"
            f" have accuracy {percent(number(each.get('accuracy')))}"
            for each in bins
        )
        or "n/a"
    ) + "."


def confusion(run: Run) -> Picture | Absent:
    """The confusion matrix on the test set, for up to 40 classes."""
    name, title = "confusion", "Confusion matrix"
    classes = [str(each) for each in run.scores.get("classes", [])]
    counts = confusion_counts(run)
    if not counts:
        return Absent(name, title, run.reason("confusion.csv"))
    if len(classes) > MANY_CLASSES or not classes:
        reason = f"{len(classes)} classes do not fit a matrix; the list of pairs replaces it"
        return Absent(name, title, reason)
    places = {each: index for index, each in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)))
    for (true, predicted), count in counts.items():
        if true in places and predicted in places:
            matrix[places[true], places[predicted]] += count
    rows = matrix.sum(axis=1, keepdims=True)
    share = np.divide(matrix, rows, out=np.full_like(matrix, np.nan), where=rows > 0)
    labels = [shorten(each, 22) for each in classes]
    small = 9.5 if len(classes) <= 20 else 8
    margin = 0.6 + 0.075 * max(map(len, labels))
    size = min(6.9, 1.6 + 0.24 * len(classes)) + margin
    turned = 90 if len(classes) > 6 or max(map(len, labels)) > 9 else 0
    figure = new_figure(size, size if turned else size - margin + 0.7)
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.imshow(share, COUNT_MAP, vmin=0, vmax=1)
    edges = np.arange(len(classes) + 1) - 0.5
    axes.vlines(edges, edges[0], edges[-1], color=GRID, linewidth=0.6)
    axes.hlines(edges, edges[0], edges[-1], color=GRID, linewidth=0.6)
    _write_counts(axes, matrix, share)
    axes.set_xticks(range(len(classes)), labels, rotation=turned, fontsize=small)
    axes.set_yticks(range(len(classes)), labels, fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    top = "; ".join(f"{t} taken for {p} {n} times" for t, p, n in confused_pairs(run)[:5])
    right, total = int(np.trace(matrix)), int(matrix.sum())
    alt = f"{right} of {total} images are on the diagonal. Most confused: {top or 'none'}."
    caption = (
        f"Images of {test(run.scores)} by true and predicted class (shipped model). "
        "The numbers are counts; the darker, the larger the share of the row."
    )
    read = (
        "right answers lie on the diagonal. A dark cell beside it is a pair of classes the model "
        "mixes up: look at their images and names first."
    )
    return Picture(name, title, alt, caption, read, figure)


def _write_counts(axes: Axes, matrix: np.ndarray, share: np.ndarray) -> None:
    for row, column in np.argwhere(matrix > 0):
        axes.text(
            float(column),
            float(row),
            f"{matrix[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=10 if len(matrix) <= 12 else 7 if len(matrix) <= 25 else 5,
            color="#ffffff" if share[row, column] > 0.55 else "#111111",
        )


def confusion_counts(run: Run) -> Counter[tuple[str, str]]:
    """How many test images of the first class were taken for the second."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in run.confusion or []:
        if row.get("eval") == test(run.scores):
            pair = row.get("true", ""), row.get("predicted", "")
            counts[pair] += int(number(row.get("count")) or 0)
    return +counts


def confused_pairs(run: Run) -> list[tuple[str, str, int]]:
    """True class, predicted class and count of wrong predictions, most frequent first."""
    wrong = [(t, p, n) for (t, p), n in confusion_counts(run).items() if t != p]
    return sorted(wrong, key=lambda pair: (-pair[2], pair[0], pair[1]))


def class_rows(run: Run) -> dict[str, dict[str, Row]]:
    """Per class, the ``per_class.csv`` row of zero-shot and of the shipped model on test."""
    wanted = {ZERO_SHOT, shipped(run.scores)}
    found: dict[str, dict[str, Row]] = {}
    for row in run.per_class or []:
        if row.get("eval") == test(run.scores) and row.get("model") in wanted:
            found.setdefault(row.get("class", ""), {})[row["model"]] = row
    return found


def per_class(run: Run) -> Picture | Absent:
    """Recall of every class, zero-shot against shipped; the most changed when there are many."""
    name, title = "per_class", "Recall per class"
    recalls = class_recalls(run)
    if not recalls:
        return Absent(name, title, run.reason("per_class.csv"))
    if len(recalls) > MANY_CLASSES:
        by_change = sorted(recalls, key=lambda each: (each[3] - each[2], each[0]))
        panels = {
            f"{MOST_CHANGED} most worsened": by_change[:MOST_CHANGED],
            f"{MOST_CHANGED} most improved": by_change[::-1][:MOST_CHANGED],
        }
    else:
        panels = {"": sorted(recalls, key=lambda each: (-each[3], each[0]))}
    longest = max(len(rows) for rows in panels.values())
    figure = new_figure(7.4 if len(panels) == 1 else 9.6, 1.3 + 0.235 * longest)
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True)
    for axes, (heading, rows) in zip(grid[0], panels.items(), strict=True):
        axes.set_title(heading)
        _draw_recalls(axes, run, rows)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    rows = [each for group in panels.values() for each in group]
    alt = f"Recall of {len(rows)} of {len(recalls)} classes, zero-shot then shipped: " + "; ".join(
        f"{each} {percent(before)} to {percent(after)}" for each, _, before, after in rows
    )
    many = f" Of {len(recalls)} classes, the most changed are shown." if len(panels) > 1 else ""
    caption = (
        f"On {test(run.scores)}; n: images of the class. Right: change of recall in points.{many}"
    )
    read = (
        "recall is the share of a class that is found. A bar that ends before its diamond is a "
        "class that lost; with few images (small n) that may be chance."
    )
    return Picture(name, title, f"{alt}.", caption, read, figure)


def class_recalls(run: Run) -> list[tuple[str, int, float, float]]:
    """Class, images, recall of zero-shot and of the shipped model, where both are known."""
    model, found = shipped(run.scores), []
    for name, rows in class_rows(run).items():
        before = number(rows.get(ZERO_SHOT, {}).get("recall"))
        after = number(rows.get(model, {}).get("recall"))
        images = number(rows.get(model, {}).get("n"))
        if before is not None and after is not None and images:
            found.append((name, int(images), before, after))
    return found


def _draw_recalls(axes: Axes, run: Run, rows: list[tuple[str, int, float, float]]) -> None:
    places = range(len(rows))
    after, before = [row[3] for row in rows], [row[2] for row in rows]
    model = shipped(run.scores)
    colour, label = colour_of(model), f"{model_name(model)} (shipped)"
    axes.barh(places, after, height=0.62, color=colour, alpha=0.85, label=label)
    axes.plot(
        before, places, "D", color=INK, markerfacecolor=ORANGE, markersize=6, label="zero-shot"
    )
    axes.set_yticks(places, [f"{shorten(row[0])}  n={row[1]}" for row in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.15)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(visible=False, axis="y")
    percent_axis(axes, "x")
    axes.set_xlabel("recall")
    for place, (_, _, start, end) in enumerate(rows):
        axes.text(1.145, place, points(end - start), va="center", ha="right", fontsize=8)


def learning(run: Run) -> Picture | Absent:
    """Loss, validation accuracy and learning rate over the steps of training."""
    name, title = "learning", "Learning curves"
    panels = {
        "loss": {"train_loss": (MUTED, "-"), "val_loss": (BLUE, "--")},
        "accuracy": {"train_accuracy": (MUTED, "-"), "val_accuracy": (GREEN, "--")},
        "learning rate": {"lr": (VERMILION, "-")},
    }
    series = {column: _column(run, column) for lines in panels.values() for column in lines}
    drawn = {panel: lines for panel, lines in panels.items() if any(series[c] for c in lines)}
    if not drawn:
        return Absent(name, title, run.reason("metrics.csv"))
    figure = new_figure(9.0 if len(drawn) > 1 else 5.0, 2.9)
    alt = []
    for axes, (panel, lines) in zip(
        figure.subplots(1, len(drawn), squeeze=False)[0], drawn.items(), strict=True
    ):
        for column, (colour, style) in lines.items():
            pairs = series[column]
            if pairs:
                label = column.replace("_", " ")
                marker = "o" if len(pairs) <= 30 else ""
                axes.plot(
                    *zip(*pairs, strict=True),
                    style,
                    color=colour,
                    label=label,
                    marker=marker,
                    markersize=3.5,
                    linewidth=1.5,
                )
                alt.append(f"{label} goes from {pairs[0][1]:.4g} to {pairs[-1][1]:.4g}.")
        axes.set_title(panel)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        if panel == "accuracy":
            percent_axis(axes)
        if len(lines) > 1:
            axes.legend()
    caption = "The training log of the run; validation images are never trained on."
    read = (
        "the loss should fall and level off. Where the validation loss rises while the training "
        "loss falls, the images are being learnt by heart: train shorter."
    )
    return Picture(name, title, " ".join(alt), caption, read, figure)


def _column(run: Run, column: str) -> list[tuple[float, float]]:
    pairs = []
    for row in run.log or []:
        step = number(row.get("step"))
        value = number(row.get(column)) if column in row else number(row.get(f"{column}_step"))
        if step is not None and value is not None:
            pairs.append((step, value))
    return pairs
