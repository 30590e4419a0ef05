"""Drawings upright on white, turned, and cut out and laid on other backgrounds."""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import label

from adapt.data.decoding.open import open_image
from adapt.data.sources.embedded import EMBEDDED
from adapt.explore.weak_spots.drawing.scene import SIDE
from adapt.explore.weak_spots.tasks.base import Question, task

KINDS = ("boat", "book", "clock", "cloud", "flower", "hat", "heart", "star")
FOLDER = EMBEDDED / "pictograms" / "emoji" / "test"
WHITE = 245
"""Brightness from which a pixel at the edge of a drawing, or beside such a one, is background."""


@cache
def files(kind: str) -> tuple[Path, ...]:
    """The drawings of a kind, sorted."""
    return tuple(sorted((FOLDER / kind).glob("*.png")))


def drawing(kind: str, random: np.random.Generator) -> Image.Image:
    """One of the embedded drawings, RGB, as large as a scene."""
    names = files(kind)
    picture = open_image(names[int(random.integers(len(names)))])
    return picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def cut_out(picture: Image.Image) -> np.ndarray:
    """Which pixels of a drawing on white are drawing, (H, W) bool.

    Background is what is white and joined to the edge by white.
    """
    white = np.asarray(picture).min(axis=2) >= WHITE
    regions, _ = label(white)
    edge = np.unique(np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]]))
    return np.asarray(~(white & np.isin(regions, edge[edge > 0])))


def background(random: np.random.Generator) -> np.ndarray:
    """Coloured noise of a few sizes, uint8 (H, W, 3): busy, and of nothing."""
    total = np.zeros((SIDE, SIDE, 3))
    for cells in (3, 9, 28):
        small = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float) / 3
    return total.astype(np.uint8)


@task("drawings", "recognising drawings of things, upright on white", KINDS)
def drawings(random: np.random.Generator, answer: int) -> Question:
    """A drawing as it is."""
    return _asked(drawing(KINDS[answer], random), answer)


@task("turned", "things that lie on their side or stand on their head", KINDS, control="drawings")
def turned(random: np.random.Generator, answer: int) -> Question:
    """A drawing, turned by a quarter, a half or three quarters."""
    picture = drawing(KINDS[answer], random)
    return _asked(picture.rotate(90 * int(random.integers(1, 4))), answer)


@task("backgrounds", "things on busy backgrounds", KINDS, control="drawings")
def backgrounds(random: np.random.Generator, answer: int) -> Question:
    """A drawing, cut out and laid on noise of several sizes."""
    picture = drawing(KINDS[answer], random)
    kept = cut_out(picture)[:, :, None]
    laid = np.where(kept, np.asarray(picture), background(random))
    return _asked(Image.fromarray(laid.astype(np.uint8)), answer)


def _asked(picture: Image.Image, answer: int) -> Question:
    return Question(picture, tuple(f"a drawing of a {kind}" for kind in KINDS), answer)
