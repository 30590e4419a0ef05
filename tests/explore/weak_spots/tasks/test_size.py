"""Larger shapes cover more pixels, and shapes in front are whole."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import COLOURS
from adapt.explore.weak_spots.tasks.size import larger, nearer


def covered(image: object, colour: str) -> int:
    return int((np.asarray(image) == COLOURS[colour]).all(axis=2).sum())


def test_larger() -> None:
    for seed in range(10):
        for answer in (0, 1):
            question = larger(np.random.default_rng(seed), answer)
            words = question.sentences[0].split()
            first, second = (covered(question.image, words[place]) for place in (1, -2))
            assert (first > second) == (answer == 0)


def test_what_is_in_front_hides_nothing_of_itself() -> None:
    for seed in range(10):
        front, behind = (nearer(np.random.default_rng(seed), answer) for answer in (0, 1))
        assert front.sentences == behind.sentences
        first = front.sentences[0].split()[1]
        assert covered(front.image, first) > covered(behind.image, first)
