"""Whether a sentence with `no` is understood."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import SIDE, Scene, Shape
from adapt.explore.weak_spots.tasks.base import Question, task


@task("negation", "prompts with `no` or `without`", ("there", "not there"))
def negation(random: np.random.Generator, answer: int) -> Question:
    """One shape, with or without a second one; the sentences say whether that is there."""
    scene = Scene(random)
    kinds = scene.two_kinds()
    sides = random.permutation([0.27 * SIDE, 0.73 * SIDE]).tolist()
    heights = random.uniform(0.35, 0.65, 2) * SIDE
    items = [
        Shape(shape, colour, (sides[place], float(heights[place])), 36.0)
        for place, (shape, colour) in enumerate(kinds)
    ]
    scene.items = items if answer == 0 else items[:1]
    first, second = (item.words for item in items)
    sentences = (f"a {first} and a {second}", f"a {first} and no {second}")
    return Question(scene.draw(), sentences, answer)
