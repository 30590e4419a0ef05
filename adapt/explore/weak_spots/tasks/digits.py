"""Digits: handwritten, and as words."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from adapt.explore.weak_spots.drawing.scene import SIDE
from adapt.explore.weak_spots.drawing.strokes import handwritten
from adapt.explore.weak_spots.tasks.base import Question, task

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@task("handwritten_digits", "reading handwritten digits", DIGITS)
def handwritten_digits(random: np.random.Generator, answer: int) -> Question:
    """One digit in strokes."""
    sentences = tuple(f"the handwritten digit {name}" for name in DIGITS)
    return Question(handwritten(answer, random), sentences, answer)


@task("number_words", "reading numbers that are written as words", DIGITS)
def number_words(random: np.random.Generator, answer: int) -> Question:
    """The word for a digit, printed."""
    sentences = tuple(f'the word "{name}"' for name in DIGITS)
    return Question(printed(DIGITS[answer], random), sentences, answer)


def printed(text: str, random: np.random.Generator) -> Image.Image:
    """A short text on a light page, as large as it fits, RGB.

    Args:
        text: What is written.
        random: Size, place and ink.
    """
    page = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(235, 256, 3).tolist()))
    write(page, text, 0.8 * SIDE, float(random.uniform(0.3, 0.7) * SIDE), random)
    return page


def write(
    page: Image.Image, text: str, width: float, height: float, random: np.random.Generator
) -> None:
    """Write a text into a picture, in the middle of a line.

    Args:
        page: Is changed.
        text: What is written.
        width: Of the text, in pixels; it is at most 80 pixels high.
        height: Of the middle of the line from the top, in pixels.
        random: Ink.
    """
    probe = ImageFont.load_default(100)
    size = min(80.0, 100 * width / probe.getlength(text))
    ink = tuple(random.integers(0, 60, 3).tolist())
    font = ImageFont.load_default(size)
    ImageDraw.Draw(page).text((page.width / 2, height), text, ink, font, anchor="mm")
