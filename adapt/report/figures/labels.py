"""Names at the right end of lines, so that no legend has to be matched by colour."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from adapt.report.figures import style

LINES = tuple(
    zip(
        (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.INK),
        ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))),
        strict=True,
    )
)
"""Colour and line style in the order of use: lines stay apart without colour."""


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move places apart to a least distance, each as little as possible.

    Args:
        places: Where labels would be, in any order.
        gap: The least distance between two of them.

    Returns:
        New places, in the order given; the least-squares solution that keeps the order by height.

    >>> spread([0.0, 0.25, 5.0], 1.0)
    [-0.375, 0.625, 5.0]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # With the gaps taken out it is a monotone fit: neighbours out of order share their mean.
    blocks: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, count = places[index] - rank * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, more = blocks.pop()
            mean, count = (before * more + mean * count) / (more + count), more + count
        blocks.append((mean, count))
    levels = [mean for mean, count in blocks for _ in range(count)]
    moved = dict(zip(order, (level + rank * gap for rank, level in enumerate(levels)), strict=True))
    return [moved[index] for index in range(len(places))]


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, str, str]], points: float) -> None:
    """Write each name to the right of the axes, at the height of its line's end.

    Args:
        axes: With its final limits on the y axis.
        ends: For each line x and y of its end, its name and its colour.
        points: Height of the axes, in points; decides how far apart names must be.
    """
    low, high = axes.get_ylim()
    right = axes.get_xlim()[1]
    heights = spread([y for _, y, _, _ in ends], 12.5 / points * (high - low))
    for (x, y, name, colour), height in zip(ends, heights, strict=True):
        stroke = {"arrowstyle": "-", "color": colour, "linewidth": 0.8, "alpha": 0.7}
        axes.annotate(
            name, (x, y), (right + 0.035 * (right - axes.get_xlim()[0]), height),
            ha="left", va="center", fontsize=9, annotation_clip=False,
            arrowprops={**stroke, "shrinkA": 1, "shrinkB": 0},
        )  # fmt: skip
