"""Which colour belongs to which shape."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import SIDE, Scene, Shape
from adapt.explore.weak_spots.tasks.base import Question, task


@task("colour_binding", "telling which of two things has which colour", ("as said", "swapped"))
def colour_binding(random: np.random.Generator, answer: int) -> Question:
    """Two shapes in two colours; the false sentence swaps the colours."""
    scene = Scene(random)
    (first, own), (second, other) = scene.two_kinds()
    given = (own, other) if answer == 0 else (other, own)
    pairs = list(zip((first, second), given, strict=True))
    sides = random.permutation([0.27 * SIDE, 0.73 * SIDE]).tolist()
    heights = random.uniform(0.35, 0.65, 2) * SIDE
    scene.items = [
        Shape(shape, colour, (sides[place], float(heights[place])), 36.0)
        for place, (shape, colour) in enumerate(pairs)
    ]
    sentences = (
        f"a {own} {first} and a {other} {second}",
        f"a {other} {first} and a {own} {second}",
    )
    return Question(scene.draw(), sentences, answer)
