"""Which of two shapes is larger, and which is in front."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import SIDE, Scene, Shape
from adapt.explore.weak_spots.tasks.base import Question, task


@task("larger", "telling which of two things is larger", ("larger", "smaller"))
def larger(random: np.random.Generator, answer: int) -> Question:
    """Two shapes, one twice as wide as the other, on either side."""
    scene = Scene(random)
    sides = random.permutation([0.27 * SIDE, 0.73 * SIDE]).tolist()
    for place, (shape, colour) in enumerate(scene.two_kinds()):
        radius = (44.0, 22.0)[(place + answer) % 2]
        scene.items.append(Shape(shape, colour, (sides[place], SIDE / 2), radius))
    first, second = scene.items
    words = ("larger", "smaller")
    sentences = tuple(f"a {first.words} that is {word} than a {second.words}" for word in words)
    return Question(scene.draw(), sentences, answer)


@task("nearer", "telling which of two things is in front", ("in front of", "behind"))
def nearer(random: np.random.Generator, answer: int) -> Question:
    """Two shapes of one size; the one in front covers a part of the other."""
    scene = Scene(random)
    sides = random.permutation([0.42 * SIDE, 0.6 * SIDE]).tolist()
    heights = random.permutation([0.44 * SIDE, 0.56 * SIDE]).tolist()
    items = [
        Shape(shape, colour, (sides[place], heights[place]), 42.0)
        for place, (shape, colour) in enumerate(scene.two_kinds())
    ]
    # What is drawn last is in front.
    scene.items = items[::-1] if answer == 0 else items
    words = ("in front of", "behind")
    sentences = tuple(f"a {items[0].words} {word} a {items[1].words}" for word in words)
    return Question(scene.draw(), sentences, answer)
