"""What training sees: images as evaluation shows them, and as the augmentation does."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from adapt.report.figures.style import MUTED, Absent, Picture, new_figure
from adapt.report.record.numbers import shorten
from adapt.report.record.read import Run, mapping, number

NAME, TITLE = "augmentation", "What training sees"
GAP = 0.05
LINE = (107, 116, 128, 70)
TILE_INCHES = 0.95


def contact_sheet(run: Run) -> Picture | Absent:
    """A few training images, each as evaluated and as the first epochs see it."""
    card = run.augmentation
    if card is None:
        return Absent(NAME, TITLE, run.reason("augmentation.json"))
    labels, tile = [str(each) for each in card.get("labels") or []], number(card.get("tile"))
    try:
        with Image.open(run.folder / "augmentation.png") as image:
            sheet = np.asarray(image.convert("RGBA"))
    except (OSError, ValueError) as error:
        return Absent(NAME, TITLE, f"augmentation.png cannot be read: {error}")
    side = int(tile or 0)
    if side < 1 or not labels or sheet.shape[0] != side * len(labels) or sheet.shape[1] % side:
        return Absent(NAME, TITLE, "augmentation.json and augmentation.png do not fit together")
    columns = sheet.shape[1] // side
    spaced, centres = _spread(sheet, side)
    figure = new_figure(1.4 + TILE_INCHES * columns, 0.4 + TILE_INCHES * len(labels))
    axes = figure.add_subplot()
    axes.imshow(spaced, interpolation="none")
    heads = ["as evaluated", *(f"epoch {count}" for count in range(1, columns))]
    axes.set_xticks(centres[:columns], heads, fontsize=9)
    axes.set_yticks(centres[: len(labels)], [shorten(each, 18) for each in labels], fontsize=9)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False, colors=MUTED)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    alt = (
        f"{len(labels)} training images ({', '.join(labels)}), each as evaluated and in "
        f"{columns - 1} random views of the augmentation."
    )
    return Picture(NAME, TITLE, alt, _caption(card), _READ, figure)


_READ = (
    "each row must stay recognisable as its class. Where a view shows something else, cuts the "
    "object off, or shows what no real image would, choose a milder augmentation; where all views "
    "look alike, training sees little new from epoch to epoch."
)


def _spread(sheet: np.ndarray, side: int) -> tuple[np.ndarray, list[float]]:
    """The tiles with lines around them, and where the tiles' centres are."""
    gap = max(1, round(GAP * side))
    rows, columns = sheet.shape[0] // side, sheet.shape[1] // side
    step = side + gap
    # Half transparent: an image as white as the page shows its edge, in the dark mode too.
    spread = np.tile(np.array(LINE, dtype=np.uint8), (rows * step + gap, columns * step + gap, 1))
    for row in range(rows):
        for column in range(columns):
            tile = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
            top, left = gap + row * step, gap + column * step
            spread[top : top + side, left : left + side] = tile
    return spread, [gap + place * step + (side - 1) / 2 for place in range(max(rows, columns))]


def _caption(card: Mapping[str, Any]) -> str:
    steps = "; ".join(_step_words(mapping(each)) for each in card.get("steps") or [])
    parts = [f"Augmentation {card.get('policy')}: {steps}.", str(card.get("reason") or "")]
    note = str(card.get("note") or "")
    parts.append(f"{note[:1].upper()}{note[1:]}." if note else "")
    mixed = [name for name in ("mixup", "cutmix") if number(card.get(name))]
    if mixed:
        words = " and ".join(f"{name} (alpha {number(card.get(name)):g})" for name in mixed)
        verb = "join" if len(mixed) > 1 else "joins"
        parts.append(f"After that {words} {verb} images of a batch, which is not shown.")
    if card.get("balance") not in (None, "none"):
        parts.append(f"Classes are drawn with the balance {card['balance']}.")
    return " ".join(part for part in parts if part)


def _step_words(step: Mapping[str, Any]) -> str:
    arguments = [f"{key} {_value(value)}" for key, value in step.items() if key != "name"]
    name = str(step.get("name"))
    return f"{name} ({', '.join(arguments)})" if arguments else name


def _value(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(dict.fromkeys(_value(each) for each in value))
    found = number(value)
    return str(value) if found is None else f"{found:.3g}"
