"""Digits as a hand writes them: a few strokes, each a little different."""

import numpy as np
from PIL import Image, ImageDraw

from adapt.explore.weak_spots.drawing.scene import SIDE

Points = list[tuple[float, float]]
STROKES: dict[int, list[Points]] = {
    0: [[(0.5, 0.1), (0.2, 0.3), (0.2, 0.7), (0.5, 0.9), (0.8, 0.7), (0.8, 0.3), (0.5, 0.1)]],
    1: [[(0.35, 0.25), (0.55, 0.1), (0.55, 0.9)]],
    2: [[(0.25, 0.3), (0.4, 0.1), (0.7, 0.15), (0.75, 0.4), (0.25, 0.9), (0.8, 0.9)]],
    3: [
        [(0.25, 0.15), (0.7, 0.15), (0.75, 0.35), (0.45, 0.48)],
        [(0.45, 0.48), (0.78, 0.6), (0.7, 0.85), (0.25, 0.88)],
    ],
    4: [[(0.6, 0.1), (0.2, 0.6), (0.85, 0.6)], [(0.65, 0.35), (0.65, 0.92)]],
    5: [
        [(0.75, 0.1), (0.3, 0.12), (0.28, 0.45)],
        [(0.28, 0.45), (0.65, 0.42), (0.78, 0.65), (0.6, 0.9), (0.25, 0.85)],
    ],
    6: [
        [(0.7, 0.1), (0.35, 0.4), (0.25, 0.7), (0.5, 0.9), (0.75, 0.7), (0.6, 0.5), (0.3, 0.6)]
    ],
    7: [[(0.2, 0.12), (0.8, 0.12), (0.45, 0.9)]],
    8: [
        [
            (0.5, 0.48), (0.28, 0.3), (0.5, 0.1), (0.72, 0.3), (0.5, 0.48),
            (0.25, 0.7), (0.5, 0.9), (0.75, 0.7), (0.5, 0.48),
        ]
    ],
    9: [[(0.75, 0.3), (0.5, 0.48), (0.28, 0.3), (0.5, 0.1), (0.75, 0.3), (0.65, 0.9)]],
}  # fmt: skip
"""Of each digit: its strokes, as points from 0 to 1, from the left and from the top."""
SHAKE, SLANT = 0.03, 0.15
WITHIN = 12
"""Points drawn between two points of a stroke."""


def handwritten(digit: int, random: np.random.Generator) -> Image.Image:
    """A digit in dark strokes on a light page, RGB.

    Args:
        digit: 0 to 9.
        random: What makes one digit different from the next.
    """
    page = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(235, 256, 3).tolist()))
    canvas = ImageDraw.Draw(page)
    ink = tuple(random.integers(0, 60, 3).tolist())
    width = int(random.integers(7, 13))
    size, slant = random.uniform(0.6, 0.8) * SIDE, random.uniform(-SLANT, SLANT)
    corner = random.uniform(0.05, 0.15, 2) * SIDE
    for stroke in STROKES[digit]:
        points = np.array(stroke) + random.normal(0, SHAKE, (len(stroke), 2))
        points[:, 0] += slant * (0.5 - points[:, 1])
        line = [tuple(point) for point in smooth(points) * size + corner]
        canvas.line(line, ink, width, joint="curve")
    return page


def smooth(points: np.ndarray) -> np.ndarray:
    """A curve through points: Catmull-Rom, with `WITHIN` steps from point to point.

    Args:
        points: Shape (P, 2), at least two.

    Returns:
        Shape ((P - 1) * WITHIN + 1, 2); the points themselves are among them.

    >>> smooth(np.array([[0.0, 0.0], [1.0, 1.0]]))[[0, 6, 12]].tolist()
    [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]
    """
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    steps = np.arange(WITHIN)[:, None] / WITHIN
    parts = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        parts.append(
            start
            + 0.5 * steps * (end - before)
            + steps**2 * (before - 2.5 * start + 2 * end - 0.5 * after)
            + 0.5 * steps**3 * (after - before + 3 * (start - end))
        )
    return np.concatenate([*parts, points[-1:]])
