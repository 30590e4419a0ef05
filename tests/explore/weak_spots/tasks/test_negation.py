"""The second shape is there, or it is not."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import COLOURS
from adapt.explore.weak_spots.tasks.negation import negation


def test_the_second_shape() -> None:
    for seed in range(10):
        for answer in (0, 1):
            question = negation(np.random.default_rng(seed), answer)
            colour = question.sentences[1].split()[-2]
            there = (np.asarray(question.image) == COLOURS[colour]).all(axis=2).any()
            assert bool(there) == (answer == 0)
            assert " no " in question.sentences[1]
