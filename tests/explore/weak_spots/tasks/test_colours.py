"""Both sentences name the same words, and the pixels decide."""

import numpy as np

from adapt.explore.weak_spots.drawing.scene import COLOURS
from adapt.explore.weak_spots.tasks.colours import colour_binding


def test_the_same_words_in_both_sentences() -> None:
    for seed in range(10):
        asked = [colour_binding(np.random.default_rng(seed), answer) for answer in (0, 1)]
        for question in asked:
            first, second = (sorted(sentence.split()) for sentence in question.sentences)
            assert first == second
        assert asked[0].sentences == asked[1].sentences
        counts = [
            [int((np.asarray(q.image) == COLOURS[c]).all(axis=2).sum()) for c in COLOURS]
            for q in asked
        ]
        # The same two colours are there, but on the other shapes, which have other areas.
        assert [count > 0 for count in counts[0]] == [count > 0 for count in counts[1]]
        assert not np.array_equal(np.asarray(asked[0].image), np.asarray(asked[1].image))
