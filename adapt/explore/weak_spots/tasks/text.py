"""Whether words that are written into an image decide what it shows."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import COLOURS, SHAPES, SIDE, Scene, Shape
from adapt.explore.weak_spots.tasks.base import Question, task
from adapt.explore.weak_spots.tasks.digits import write


@task("shapes", "telling plain shapes apart", SHAPES)
def shapes(random: np.random.Generator, answer: int) -> Question:
    """One shape, and nothing else."""
    return _one(random, answer, "")


@task(
    "misleading_text",
    "images into which the name of another thing may be written",
    SHAPES,
    control="shapes",
)
def misleading_text(random: np.random.Generator, answer: int) -> Question:
    """One shape, with the name of another shape below it."""
    others = [shape for place, shape in enumerate(SHAPES) if place != answer]
    return _one(random, answer, str(random.choice(others)))


def _one(random: np.random.Generator, answer: int, text: str) -> Question:
    colour = str(random.choice(list(COLOURS)))
    centre = (float(random.uniform(0.4, 0.6) * SIDE), 0.36 * SIDE)
    picture = Scene(random, [Shape(SHAPES[answer], colour, centre, 48.0)]).draw()
    if text:
        write(picture, text, 0.5 * SIDE, 0.82 * SIDE, random)
    return Question(picture, tuple(f"a {shape}" for shape in SHAPES), answer)
