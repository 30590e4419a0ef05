"""Drawings are cut out of white, and only of white that reaches the edge."""

import numpy as np
from PIL import Image, ImageDraw

from adapt.explore.weak_spots.tasks.drawings import (
    KINDS,
    backgrounds,
    cut_out,
    drawings,
    files,
    turned,
)


def test_every_kind_has_drawings() -> None:
    assert all(len(files(kind)) >= 5 for kind in KINDS)


def test_a_hole_belongs_to_the_drawing() -> None:
    page = Image.new("RGB", (40, 40), "white")
    ImageDraw.Draw(page).ellipse((8, 8, 32, 32), "white", "black", 3)
    kept = cut_out(page)
    assert kept[20, 20]
    assert kept[20, 8]
    assert not kept[1, 1]


def test_the_same_drawing_is_turned_or_laid_elsewhere() -> None:
    random = [np.random.default_rng(5) for _ in range(3)]
    plain, quarter, busy = (
        np.asarray(draw(source, 2).image)
        for draw, source in zip((drawings, turned, backgrounds), random, strict=True)
    )
    assert any(np.array_equal(quarter, np.rot90(plain, turns)) for turns in (1, 2, 3))
    kept = cut_out(Image.fromarray(plain))
    assert np.array_equal(busy[kept], plain[kept])
    assert (busy[~kept] != plain[~kept]).any(axis=1).mean() > 0.9
