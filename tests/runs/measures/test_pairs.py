"""Scores of pairs: one number for both directions, and its change by image."""

import numpy as np
import pytest

from adapt.evaluation.metrics.retrieval import retrieval_ranks
from adapt.runs.measures.pairs import pair_scores


@pytest.mark.parametrize("captions", [[2] * 40, [9, 7, *[1] * 26, *[3] * 12]])
def test_one_number_for_both_directions_and_its_change(captions: list[int]) -> None:
    random = np.random.default_rng(0)
    owner = np.repeat(np.arange(40), captions)
    images, texts = random.normal(size=(40, 6)), random.normal(size=(len(owner), 6))
    near = texts + 2 * images[owner]
    before, after = retrieval_ranks(images, texts, owner), retrieval_ranks(images, near, owner)
    scores = pair_scores(after, "wilson", before)
    ways = [scores[way]["recall@10"] for way in ("image_to_text", "text_to_image")]
    assert scores["recall@10"] == pytest.approx(np.mean(ways))
    assert scores["n"] == 40
    change = scores["difference"]["recall@10"]
    start = pair_scores(before, "wilson")
    assert "difference" not in start
    assert change["difference"] == pytest.approx(scores["recall@10"] - start["recall@10"])
    low, high = change["ci"]
    assert 0 < low < change["difference"] < high
