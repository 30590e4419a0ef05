"""The classes: which are confused, and how the recall of each one changed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from adapt.report.figures import style
from adapt.report.record.classes import (
    class_intervals,
    class_recalls,
    confused_pairs,
    confusion_counts,
)
from adapt.report.record.read import RunRecord
from adapt.report.record.words import percent, points, shorten

MANY_CLASSES = 40
MOST_CHANGED = 20
COUNT_MAP = LinearSegmentedColormap.from_list("count", ["#ffffff", "#56b4e9", "#00406b"])


@style.figure("confusion", "Confusion matrix", needs="confusion.csv")
def confusion(run: RunRecord) -> style.ReportFigure | str | None:
    """The confusion matrix on the test set, for up to 40 classes."""
    classes = [str(label) for label in run.scores.get("classes", [])]
    counts = confusion_counts(run)
    if not counts:
        return run.reason("confusion.csv")
    if not confused_pairs(run):
        return None
    if len(classes) > MANY_CLASSES or not classes:
        return None  # the list of pairs says it
    places = {label: index for index, label in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)))
    for (true, predicted), count in counts.items():
        if true in places and predicted in places:
            matrix[places[true], places[predicted]] += count
    rows = matrix.sum(axis=1, keepdims=True)
    fraction = np.divide(matrix, rows, out=np.full_like(matrix, np.nan), where=rows > 0)
    labels = [shorten(label, 22) for label in classes]
    small = 9.5 if len(classes) <= 20 else 8
    margin = 0.6 + 0.075 * max(map(len, labels))
    size = min(6.9, 1.6 + 0.24 * len(classes)) + margin
    turned = 90 if len(classes) > 6 or max(map(len, labels)) > 9 else 0
    figure = style.new_figure(size, size if turned else size - margin + 0.7)
    axes = figure.add_subplot()
    axes.grid(visible=False)
    axes.imshow(fraction, COUNT_MAP, vmin=0, vmax=1)
    edges = np.arange(len(classes) + 1) - 0.5
    axes.vlines(edges, edges[0], edges[-1], color=style.GRID, linewidth=0.6)
    axes.hlines(edges, edges[0], edges[-1], color=style.GRID, linewidth=0.6)
    _write_counts(axes, matrix, fraction)
    axes.set_xticks(range(len(classes)), labels, rotation=turned, fontsize=small)
    axes.set_yticks(range(len(classes)), labels, fontsize=small)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    top = "; ".join(f"{t} taken for {p} {n} times" for t, p, n in confused_pairs(run)[:5])
    right, total = int(np.trace(matrix)), int(matrix.sum())
    alt = f"{right} of {total} images are on the diagonal. Most confused: {top or 'none'}."
    caption = (
        f"Images of {run.scores.test} by true and predicted class (shipped model). "
        "The numbers are counts; the darker a cell, the larger its fraction of the row."
    )
    read = (
        "right answers are on the diagonal. A dark cell beside it is a pair of classes that the "
        "model mixes up: look at their images and names first."
    )
    return style.ReportFigure(figure, alt, caption, read)


def _write_counts(axes: Axes, matrix: np.ndarray, fraction: np.ndarray) -> None:
    for row, column in np.argwhere(matrix > 0):
        axes.text(
            float(column), float(row), f"{matrix[row, column]:.0f}", ha="center", va="center",
            fontsize=10 if len(matrix) <= 12 else 7 if len(matrix) <= 25 else 5,
            color="#ffffff" if fraction[row, column] > 0.55 else "#111111",
        )  # fmt: skip


@style.figure("per_class", "Recall per class", needs="per_class.csv")
def per_class(run: RunRecord) -> style.ReportFigure | str | None:
    """Recall of every class, zero-shot against shipped; the most changed when there are many."""
    recalls = class_recalls(run)
    if not recalls:
        return run.reason("per_class.csv")
    if len({row[2:] for row in recalls}) < 2:
        return None
    if len(recalls) > MANY_CLASSES:
        by_change = sorted(recalls, key=lambda row: (row[3] - row[2], row[0]))
        panels = {
            f"{MOST_CHANGED} most worsened": by_change[:MOST_CHANGED],
            f"{MOST_CHANGED} most improved": by_change[::-1][:MOST_CHANGED],
        }
    else:
        panels = {"": sorted(recalls, key=lambda row: (-row[3], row[0]))}
    longest = max(len(rows) for rows in panels.values())
    figure = style.new_figure(7.4 if len(panels) == 1 else 9.6, 1.3 + 0.235 * longest)
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True)
    for axes, (heading, rows) in zip(grid[0], panels.items(), strict=True):
        axes.set_title(heading)
        _draw_recalls(axes, run, rows)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    rows = [row for panel in panels.values() for row in panel]
    alt = f"Recall of {len(rows)} of {len(recalls)} classes, zero-shot then shipped: " + "; ".join(
        f"{label} {percent(before)} to {percent(after)}" for label, _, before, after in rows
    )
    many = f" The most changed of {len(recalls)} classes are shown." if len(panels) > 1 else ""
    caption = (
        f"On {run.scores.test}; n: images of the class. Thin lines: 95 % intervals of the shipped "
        "model. On the right: change in recall in points."
        f"{many}"
    )
    read = (
        "recall is the fraction of the images of a class that are recognised. Where a bar ends "
        "before its diamond, the class lost; with few images (small n) that may be chance."
    )
    return style.ReportFigure(figure, f"{alt}.", caption, read)


def _draw_recalls(axes: Axes, run: RunRecord, rows: list[tuple[str, int, float, float]]) -> None:
    places = range(len(rows))
    after, before = [row[3] for row in rows], [row[2] for row in rows]
    model = run.scores.shipped
    colour, label = style.colour_of(model), run.scores.heading(model)
    axes.barh(places, after, height=0.62, color=colour, alpha=0.85, label=label)
    bounds = class_intervals(run)
    for place, row in enumerate(rows):
        if row[0] in bounds:
            axes.plot(bounds[row[0]], [place, place], color=style.INK, linewidth=1, alpha=0.6)
    axes.plot(before, places, "D", color=style.INK, mfc=style.ORANGE, ms=6, label="zero-shot")
    axes.set_yticks(places, [f"{shorten(row[0])}  n={row[1]}" for row in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.15)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(visible=False, axis="y")
    style.percent_axis(axes, "x")
    axes.set_xlabel("recall")
    for place, (_, _, start, end) in enumerate(rows):
        axes.text(1.145, place, points(end - start), va="center", ha="right", fontsize=8)
