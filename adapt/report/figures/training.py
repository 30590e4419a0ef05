"""Training: what the model saw, and how loss and accuracy went."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from PIL import Image

from adapt.report.figures import style
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import shorten

GAP = 0.05
LINE = (107, 116, 128, 70)
TILE_INCHES = 0.95
PANELS = {
    "loss": {"train_loss": (style.MUTED, "-"), "val_loss": (style.BLUE, "--")},
    "accuracy": {"train_accuracy": (style.MUTED, "-"), "val_accuracy": (style.GREEN, "--")},
    "learning rate": {"lr": (style.VERMILION, "-")},
}


@style.figure("augmentation", "What training sees", needs="augmentation.json")
def contact_sheet(run: RunRecord) -> style.ReportFigure | str:
    """A few training images, each as evaluated and as the first epochs see it."""
    card = mapping(run.augmentation)
    labels, tile = [str(label) for label in card.get("labels") or []], number(card.get("tile"))
    try:
        with Image.open(run.folder / "augmentation.png") as image:
            sheet = np.asarray(image.convert("RGBA"))
    except (OSError, ValueError) as error:
        return f"augmentation.png cannot be read: {error}"
    side = int(tile or 0)
    if side < 1 or not labels or sheet.shape[0] != side * len(labels) or sheet.shape[1] % side:
        return "augmentation.json and augmentation.png do not fit together"
    columns = sheet.shape[1] // side
    spaced, centres = _spread(sheet, side)
    figure = style.new_figure(1.4 + TILE_INCHES * columns, 0.4 + TILE_INCHES * len(labels))
    axes = figure.add_subplot()
    axes.imshow(spaced, interpolation="none")
    heads = ["as evaluated", *(f"epoch {count}" for count in range(1, columns))]
    axes.set_xticks(centres[:columns], heads, fontsize=9)
    axes.set_yticks(centres[: len(labels)], [shorten(label, 18) for label in labels], fontsize=9)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False, colors=style.MUTED)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    alt = (
        f"{len(labels)} training images ({', '.join(labels)}), each as evaluated and in "
        f"{columns - 1} random views of the augmentation."
    )
    return style.ReportFigure(figure, alt, _caption(card), _READ)


_READ = (
    "each row must stay recognisable as its class. Where a view shows something else, cuts off "
    "the object or looks like no real image, choose a milder augmentation. Where all views look "
    "alike, training sees little that is new from epoch to epoch."
)


def _spread(sheet: np.ndarray, side: int) -> tuple[np.ndarray, list[float]]:
    """The tiles with lines around them, and the places of their centres."""
    gap = max(1, round(GAP * side))
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    step = side + gap
    # Half transparent: even an image as white as the page shows its edge, also in dark mode.
    spread = np.tile(np.array(LINE, dtype=np.uint8), (rows * step + gap, columns * step + gap, 1))
    for row in range(rows):
        for column in range(columns):
            tile = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
            top, left = gap + row * step, gap + column * step
            spread[top : top + side, left : left + side] = tile
    return spread, [gap + place * step + (side - 1) / 2 for place in range(max(rows, columns))]


def _caption(card: Mapping[str, Any]) -> str:
    steps = "; ".join(_step_words(mapping(step)) for step in card.get("steps") or [])
    parts = [f"Augmentation {card.get('policy')}: {steps}.", str(card.get("reason") or "")]
    note = str(card.get("note") or "")
    parts.append(f"{note[:1].upper()}{note[1:]}." if note else "")
    mixed = [name for name in ("mixup", "cutmix") if number(card.get(name))]
    if mixed:
        words = " and ".join(f"{name} (alpha {number(card.get(name)):g})" for name in mixed)
        verb = "join" if len(mixed) > 1 else "joins"
        parts.append(f"After that {words} {verb} images of each batch, which is not shown.")
    if card.get("balance") not in (None, "none"):
        parts.append(f"Classes are sampled with the balance {card['balance']}.")
    return " ".join(part for part in parts if part)


def _step_words(step: Mapping[str, Any]) -> str:
    arguments = [f"{key} {_value(value)}" for key, value in step.items() if key != "name"]
    name = str(step.get("name"))
    return f"{name} ({', '.join(arguments)})" if arguments else name


def _value(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(dict.fromkeys(map(_value, value)))
    known = number(value)
    return str(value) if known is None else f"{known:.3g}"


@style.figure("learning", "Learning curves", needs="metrics.csv")
def learning(run: RunRecord) -> style.ReportFigure | str | None:
    """Loss, validation accuracy and learning rate over the steps of training, of two or more."""
    logged = {column: _column(run, column) for lines in PANELS.values() for column in lines}
    if not any(logged.values()):
        return run.reason("metrics.csv")
    series = {column: pairs if len(pairs) > 1 else [] for column, pairs in logged.items()}
    drawn = {panel: lines for panel, lines in PANELS.items() if any(series[c] for c in lines)}
    if not drawn:
        return None
    figure = style.new_figure(9.0 if len(drawn) > 1 else 5.0, 2.9)
    panels = figure.subplots(1, len(drawn), squeeze=False)[0]
    alt: list[str] = []
    for axes, (panel, lines) in zip(panels, drawn.items(), strict=True):
        for column, (colour, dashes) in lines.items():
            if pairs := series[column]:
                alt.append(_draw_column(axes, column.replace("_", " "), pairs, colour, dashes))
        axes.set_title(panel)
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        if panel == "accuracy":
            style.percent_axis(axes)
        if len(lines) > 1:
            axes.legend()
    caption = "The training log of the run; validation images are never trained on."
    read = (
        "the loss should fall and level off. Where the validation loss rises while the training "
        "loss falls, the model is learning its training images by heart: train for less time."
    )
    return style.ReportFigure(figure, " ".join(alt), caption, read)


def _draw_column(
    axes: Axes, label: str, pairs: list[tuple[float, float]], colour: str, dashes: str
) -> str:
    """Draw one logged number, and return its ends in words."""
    axes.plot(
        *zip(*pairs, strict=True), dashes, color=colour, label=label, linewidth=1.5,
        marker="o" if len(pairs) <= 30 else "", markersize=3.5,
    )  # fmt: skip
    return f"{label} goes from {pairs[0][1]:.4g} to {pairs[-1][1]:.4g}."


def _column(run: RunRecord, column: str) -> list[tuple[float, float]]:
    pairs = []
    for row in run.log or []:
        step = number(row.get("step"))
        value = number(row.get(column)) if column in row else number(row.get(f"{column}_step"))
        if step is not None and value is not None:
            pairs.append((step, value))
    return pairs
