"""Where one shape is, seen from another."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import SIDE, Scene, Shape
from adapt.explore.weak_spots.tasks.base import Question, task

RADIUS = 32.0
NEAR, FAR = 0.27 * SIDE, 0.73 * SIDE


@task("left_right", "telling left from right", ("left", "right"))
def left_right(random: np.random.Generator, answer: int) -> Question:
    """Two shapes side by side."""
    return _beside(random, answer, 0, ("to the left of", "to the right of"))


@task("above_below", "telling above from below", ("above", "below"))
def above_below(random: np.random.Generator, answer: int) -> Question:
    """Two shapes, one above the other."""
    return _beside(random, answer, 1, ("above", "below"))


def _beside(
    random: np.random.Generator, answer: int, axis: int, words: tuple[str, str]
) -> Question:
    scene = Scene(random)
    across = float(random.uniform(0.3, 0.7) * SIDE)
    for place, (shape, colour) in enumerate(scene.two_kinds()):
        along = (NEAR, FAR)[(place + answer) % 2]
        centre = (along, across) if axis == 0 else (across, along)
        scene.items.append(Shape(shape, colour, centre, RADIUS))
    first, second = scene.items
    sentences = tuple(f"a {first.words} {word} a {second.words}" for word in words)
    return Question(scene.draw(), sentences, answer)
