"""What a drawn task is, and the table of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from adapt.common.registry import Registry


@dataclass(frozen=True)
class Question:
    """One drawn image, and sentences of which exactly one is true of it."""

    image: Image.Image
    """RGB."""
    sentences: tuple[str, ...]
    """As many for every question of a task; the same place always means the same answer, such as
    left first and right second."""
    answer: int
    """Place of the true sentence."""


Draw = Callable[[np.random.Generator, int], Question]
"""From a source of chance and the place of the answer to a question."""


@dataclass(frozen=True)
class Task:
    """One thing that a model may be unable to do."""

    name: str
    ability: str
    """What it is, in words that follow `use it for`."""
    answers: tuple[str, ...]
    """The answers, in the order of the sentences."""
    draw: Draw
    control: str = ""
    """A task that is the same without the difficulty; its accuracy is the one to compare with."""

    def questions(self, count: int, seed: int) -> list[Question]:
        """Questions with each answer as often as can be.

        Args:
            count: How many.
            seed: Another seed, other images.
        """
        kinds = len(self.answers)
        return [
            self.draw(np.random.default_rng((seed, number)), number % kinds)
            for number in range(count)
        ]


_TASKS: Registry[Task] = Registry("task", "adapt.explore.weak_spots.tasks")


def task(
    name: str, ability: str, answers: tuple[str, ...], control: str = ""
) -> Callable[[Draw], Draw]:
    """Make a drawing function known as a task; see `Task`."""

    def add(draw: Draw) -> Draw:
        _TASKS.register(name, Task(name, ability, answers, draw, control))
        return draw

    return add


def tasks() -> dict[str, Task]:
    """All tasks by name."""
    return _TASKS.table()
