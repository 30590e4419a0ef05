"""Which images are left to choose from: neither labelled ones nor copies."""

from dataclasses import replace

import numpy as np
from PIL import Image

from adapt.checks.findings.thumbnails import BYTES, Thumbnails, thumbnail
from adapt.explore.suggest.candidates import candidates
from adapt.explore.suggest.reading import SeenImages


def pictures(count: int, seed: int) -> list[np.ndarray]:
    """Smooth random pictures."""
    random = np.random.default_rng(seed)
    small = [random.integers(0, 255, (6, 6, 3), np.uint8) for _ in range(count)]
    return [np.asarray(Image.fromarray(own).resize((64, 64))) for own in small]


def seen(images: list[np.ndarray], hashes: list[str]) -> SeenImages:
    values = np.zeros((len(images), BYTES), np.uint8)
    for row, image in enumerate(images):
        values[row] = np.frombuffer(thumbnail(image), np.uint8)
    none = np.zeros((len(images), 2), np.float32)
    return SeenImages([*hashes], hashes, none, none.astype(float), Thumbnails(values), [])


def test_what_is_left_out_and_why() -> None:
    first, second, third, known, other = pictures(5, 0)
    brighter = np.clip(first * 1.05, 0, 255).astype(np.uint8)
    near_known = np.clip(known * 1.05, 0, 255).astype(np.uint8)
    pool = seen(
        [first, second, brighter, second, third, known, near_known, other],
        ["a", "b", "c", "b", "d", "k", "l", "o"],
    )
    left = candidates(pool, seen([known], ["k"]), ["o"])
    assert left.rows.tolist() == [0, 1, 4]
    assert left.stands_for == {0: 1, 1: 1}
    assert (left.labelled, left.copies_of_labelled, left.copies) == (2, 1, 2)
    assert left.labelled + left.copies_of_labelled + left.copies + len(left.rows) == len(pool)


def test_without_labels_and_without_copies() -> None:
    pool = seen(pictures(6, 1), list("abcdef"))
    left = candidates(pool, seen([], []))
    assert left.rows.tolist() == list(range(6))
    assert left.stands_for == {}


def test_all_labelled() -> None:
    pool = seen(pictures(2, 2), ["a", "b"])
    assert candidates(replace(pool), pool).rows.tolist() == []
