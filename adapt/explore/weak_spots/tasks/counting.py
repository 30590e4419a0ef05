"""How many shapes there are, from one to nine."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import COLOURS, SHAPES, Scene, Shape, scattered
from adapt.explore.weak_spots.tasks.base import Question, task

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
RADIUS = 22.0


@task("counting", "counting things from 1 to 9", NUMBERS)
def counting(random: np.random.Generator, answer: int) -> Question:
    """Equal shapes of one colour, which do not touch."""
    shape, colour = str(random.choice(SHAPES)), str(random.choice(list(COLOURS)))
    places = scattered(random, answer + 1, RADIUS)
    items = [Shape(shape, colour, place, RADIUS) for place in places]
    sentences = tuple(
        f"{number} {colour} {shape}{'s' if place else ''}" for place, number in enumerate(NUMBERS)
    )
    return Question(Scene(random, items).draw(), sentences, answer)
