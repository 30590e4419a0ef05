"""Words fit into their pages."""

import numpy as np
from PIL import Image

from adapt.explore.weak_spots.drawing.scene import SIDE
from adapt.explore.weak_spots.tasks.digits import DIGITS, printed, write


def test_the_ink_of_a_word_stays_inside() -> None:
    for text in DIGITS:
        dark = np.asarray(printed(text, np.random.default_rng(0))).min(axis=2) < 100
        rows, columns = np.nonzero(dark)
        assert len(rows) > 200
        assert columns.min() > 5
        assert columns.max() < SIDE - 5
        assert abs((columns.min() + columns.max()) / 2 - SIDE / 2) < 6


def test_a_long_text_is_smaller() -> None:
    heights = []
    for text in ("six", "six and seven and eight"):
        page = Image.new("RGB", (SIDE, SIDE), "white")
        write(page, text, 180, 112, np.random.default_rng(0))
        rows = np.nonzero(np.asarray(page).min(axis=2) < 100)[0]
        heights.append(rows.max() - rows.min())
    assert heights[0] > 2 * heights[1]
