"""Contracts of every drawn task."""

import numpy as np
import pytest

from adapt.explore.weak_spots.tasks.base import tasks

TASKS = tasks()


@pytest.mark.parametrize("name", TASKS)
def test_contract(name: str) -> None:
    task = TASKS[name]
    kinds = len(task.answers)
    assert kinds >= 2
    assert task.control == "" or len(TASKS[task.control].answers) == kinds
    asked = task.questions(2 * kinds, seed=0)
    for number, question in enumerate(asked):
        assert question.answer == number % kinds
        assert len(question.sentences) == kinds
        assert len(set(question.sentences)) == kinds
        assert question.image.mode == "RGB"
    again, other = task.questions(1, seed=0)[0], task.questions(1, seed=1)[0]
    same = [np.asarray(question.image) for question in (asked[0], again, other)]
    assert np.array_equal(same[0], same[1])
    assert not np.array_equal(same[0], same[2])


def test_the_suite() -> None:
    assert TASKS.keys() >= {
        "counting", "left_right", "above_below", "larger", "nearer", "handwritten_digits",
        "number_words", "misleading_text", "colour_binding", "negation", "turned", "backgrounds",
    }  # fmt: skip
