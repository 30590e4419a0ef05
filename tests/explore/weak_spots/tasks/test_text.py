"""A name of another shape is written below the shape."""

import numpy as np

from adapt.explore.weak_spots.tasks.text import misleading_text, shapes


def test_the_text_stands_below_and_changes_nothing_else() -> None:
    for answer in range(4):
        plain = np.asarray(shapes(np.random.default_rng(answer), answer).image)
        written = misleading_text(np.random.default_rng(answer), answer)
        drawn = np.asarray(written.image)
        assert written.sentences[answer].startswith("a ")
        assert (drawn[150:].min(axis=2) < 100).any()
        assert not (plain[150:].min(axis=2) < 100).any()
