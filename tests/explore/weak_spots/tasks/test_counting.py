"""Shapes are counted by joined regions of their colour."""

import numpy as np
from scipy.ndimage import label

from adapt.explore.weak_spots.drawing.scene import COLOURS
from adapt.explore.weak_spots.tasks.counting import NUMBERS, counting


def test_as_many_regions_as_said() -> None:
    for answer in range(9):
        question = counting(np.random.default_rng(answer), answer)
        colour = question.sentences[0].split()[1]
        inside = (np.asarray(question.image) == COLOURS[colour]).all(axis=2)
        assert label(inside)[1] == answer + 1
        assert question.sentences[answer].startswith(NUMBERS[answer])
