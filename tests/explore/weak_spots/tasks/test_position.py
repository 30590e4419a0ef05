"""The true sentence is true of the pixels."""

import numpy as np
import pytest

from adapt.explore.weak_spots.drawing.scene import COLOURS
from adapt.explore.weak_spots.tasks.base import Draw
from adapt.explore.weak_spots.tasks.position import above_below, left_right


def middle(image: object, colour: str) -> np.ndarray:
    inside = (np.asarray(image) == COLOURS[colour]).all(axis=2)
    return np.argwhere(inside).mean(axis=0)


@pytest.mark.parametrize(("draw", "axis"), [(left_right, 1), (above_below, 0)])
def test_places(draw: Draw, axis: int) -> None:
    for seed in range(10):
        for answer in (0, 1):
            question = draw(np.random.default_rng(seed), answer)
            words = question.sentences[0].split()
            first, second = (middle(question.image, words[place]) for place in (1, -2))
            assert (first[axis] < second[axis]) == (answer == 0)
