"""Scenes of plain shapes: a canvas, shapes in colours at places, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

SIDE = 224
"""Width and height of a scene, in pixels."""
COLOURS = {
    "red": (214, 39, 40),
    "blue": (31, 90, 200),
    "green": (44, 150, 50),
    "yellow": (240, 200, 20),
    "purple": (130, 60, 170),
}
SHAPES = ("circle", "square", "triangle", "star")


@dataclass(frozen=True)
class Shape:
    """One shape of a scene."""

    shape: str
    colour: str
    centre: tuple[float, float]
    """In pixels, from the left and from the top."""
    radius: float
    """Half of its width, in pixels."""

    @property
    def words(self) -> str:
        """What it is called.

        >>> Shape("circle", "red", (0, 0), 1).words
        'red circle'
        """
        return f"{self.colour} {self.shape}"


@dataclass
class Scene:
    """Shapes on a canvas that is nearly white; later ones cover earlier ones."""

    random: np.random.Generator
    items: list[Shape] = field(default_factory=list)

    def draw(self) -> Image.Image:
        """The picture, RGB."""
        shade = tuple(self.random.integers(235, 256, 3).tolist())
        image = Image.new("RGB", (SIDE, SIDE), shade)
        canvas = ImageDraw.Draw(image)
        for item in self.items:
            paint(canvas, item)
        return image

    def two_kinds(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Two shapes in two colours, all different: (shape, colour) twice."""
        shapes = self.random.permutation(SHAPES)[:2].tolist()
        colours = self.random.permutation(list(COLOURS))[:2].tolist()
        return (shapes[0], colours[0]), (shapes[1], colours[1])


def paint(canvas: ImageDraw.ImageDraw, item: Shape) -> None:
    """Draw a shape.

    Args:
        canvas: On a picture.
        item: The shape; its outline is dark, so that shapes of one colour stay apart.
    """
    (x, y), r, fill = item.centre, item.radius, COLOURS[item.colour]
    if item.shape == "circle":
        canvas.ellipse((x - r, y - r, x + r, y + r), fill, outline=(40, 40, 40))
        return
    canvas.polygon(corners(item.shape, (x, y), r), fill, outline=(40, 40, 40))


def corners(shape: str, centre: tuple[float, float], radius: float) -> list[tuple[float, float]]:
    """The corners of a square, triangle or star.

    >>> corners("square", (0, 0), 1)
    [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    """
    (x, y), r = centre, radius
    if shape == "square":
        return [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
    points, radii = (3, (r,)) if shape == "triangle" else (10, (r, 0.42 * r))
    angles = -np.pi / 2 + 2 * np.pi * np.arange(points) / points
    return [
        (float(x + radii[i % len(radii)] * np.cos(a)), float(y + radii[i % len(radii)] * np.sin(a)))
        for i, a in enumerate(angles)
    ]


def scattered(
    random: np.random.Generator, count: int, radius: float
) -> Sequence[tuple[float, float]]:
    """Places for shapes that do not touch, in cells of a grid.

    Args:
        random: Where they come from.
        count: How many, at most 9.
        radius: Of each shape, in pixels; at most a ninth of the side.
    """
    cell = SIDE / 3
    cells = random.permutation(9)[:count]
    slack = cell / 2 - radius - 1
    return [
        (
            float((number % 3 + 0.5) * cell + random.uniform(-slack, slack)),
            float((number // 3 + 0.5) * cell + random.uniform(-slack, slack)),
        )
        for number in cells
    ]
