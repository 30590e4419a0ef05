"""Figures of single results: a curve, scores, a classifier, the findings of a check."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from adapt.report.figures.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    as_png,
    chosen_line,
    house_style,
    percent_axis,
)
from adapt.report.record.words import shorten

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK, MUTED)
MARKERS = "osD^vPX*"
MAP = "mAP"
LEVELS = {"error": VERMILION, "warning": ORANGE, "note": BLUE}
CLASSES = 30
"""Classes of a heat map: those that another is most alike to."""


class NotebookFigure(Figure):
    """A matplotlib figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        return as_png(self)


def _figure(width: float, height: float) -> tuple[NotebookFigure, Axes]:
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def curve_figure(points: Sequence[Mapping[str, Any]], chosen: float) -> Figure:
    """Accuracy of each set along the line from start (0) to tuned model (1).

    Args:
        points: One mapping per alpha: `alpha`, and metrics with `accuracy` by the name of a set.
        chosen: The alpha that is marked.
    """
    with house_style():
        figure, axes = _figure(6.4, 3.8)
        names = [name for name, value in points[-1].items() if isinstance(value, Mapping)]
        for number, name in enumerate(names):
            known = [point for point in points if "accuracy" in (point.get(name) or {})]
            axes.plot(
                [point["alpha"] for point in known], [point[name]["accuracy"] for point in known],
                color=COLOURS[number % 8], marker=MARKERS[number % 8], label=shorten(name, 30),
            )  # fmt: skip
        chosen_line(axes, chosen)
        axes.set_xlabel(f"alpha (0 = start, 1 = tuned, chosen {chosen:g})")
        axes.set_ylabel("accuracy")
        percent_axis(axes)
        figure.legend(loc="outside right center")
        return figure


def scores_figure(scores: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Figure:
    """Accuracy or mAP with its 95 % interval if there is one, a row per set, a mark per model.

    Args:
        scores: Metrics by model and set.
    """
    with house_style():
        sets = list(dict.fromkeys(name for own in scores.values() for name in own))
        several = any(MAP in entry for own in scores.values() for entry in own.values())
        measure = MAP if several else "accuracy"
        figure, axes = _figure(6.4, 1.2 + len(sets) * (0.25 + 0.18 * len(scores)))
        for number, (model, own) in enumerate(scores.items()):
            place = (number - (len(scores) - 1) / 2) * 0.8 / max(len(scores), 1)
            for row, name in enumerate(sets):
                entry = own.get(name, {})
                if entry.get(measure) is None:
                    continue
                colour = COLOURS[number % 8]
                if bounds := entry.get(f"{measure}_ci"):
                    axes.plot(bounds, [row + place] * 2, color=colour, linewidth=4, alpha=0.3)
                axes.plot(entry[measure], row + place, MARKERS[number % 8], color=colour)
            axes.plot([], [], MARKERS[number % 8], color=COLOURS[number % 8], label=model)
        axes.set_yticks(range(len(sets)), [shorten(name, 30) for name in sets])
        axes.set_ylim(len(sets) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(measure if several else "accuracy, with its 95 % interval")
        percent_axis(axes, "x")
        figure.legend(loc="outside upper left", ncols=3)
        return figure


def classes_figure(names: Sequence[str], rows: np.ndarray) -> Figure:
    """How alike the classes are to a head: cosine similarities of its rows.

    Args:
        names: Of the K classes.
        rows: Shape (K, D).
    """
    with house_style():
        units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        alike = units @ units.T
        others = alike - 3 * np.eye(len(alike))
        kept = np.sort(np.argsort(-others.max(axis=1), kind="stable")[:CLASSES])
        alike, shown = alike[np.ix_(kept, kept)], [shorten(names[place], 20) for place in kept]
        side = 1.8 + 0.24 * len(shown)
        figure, axes = _figure(side + 1.2, side)
        axes.grid(visible=False)
        image = axes.imshow(alike, "Blues", vmin=min(0.0, float(alike.min())), vmax=1)
        axes.set_xticks(range(len(shown)), shown, rotation=90, fontsize=8)
        axes.set_yticks(range(len(shown)), shown, fontsize=8)
        left = len(names) - len(shown)
        which = "" if not left else f", the {len(shown)} that are most alike"
        figure.colorbar(image, ax=axes, label=f"cosine similarity of classes{which}")
        return figure


def findings_figure(findings: Sequence[Mapping[str, Any]]) -> Figure:
    """How many places each kind of finding has, most serious first.

    Args:
        findings: Each with `kind`, `level` and `places`, in their order.
    """
    with house_style():
        counts: dict[tuple[str, str], int] = {}
        for finding in findings:
            key = (str(finding["kind"]), str(finding["level"]))
            counts[key] = counts.get(key, 0) + max(len(finding["places"]), 1)
        figure, axes = _figure(6.4, 1.2 + 0.3 * max(len(counts), 1))
        for row, ((_, level), count) in enumerate(counts.items()):
            axes.barh(row, count, color=LEVELS.get(level, MUTED), height=0.7)
            axes.annotate(str(count), (count, row), (4, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(counts)), [kind.replace("_", " ") for kind, _ in counts])
        axes.set_ylim(max(len(counts), 1) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.1)
        axes.set_xlabel("places" if counts else "nothing found")
        if not counts:
            axes.set_xticks([])
        present = [level for level in LEVELS if any(own == level for _, own in counts)]
        if present:
            handles = [Patch(color=LEVELS[level], label=level) for level in present]
            figure.legend(handles=handles, loc="outside upper left", ncols=3)
        return figure
