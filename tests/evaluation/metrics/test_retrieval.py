"""Retrieval against a slow direct version, and against scikit-learn."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from adapt.errors import DataError
from adapt.evaluation.metrics.retrieval import retrieval_ranks, retrieval_scores


def slow(images: np.ndarray, texts: np.ndarray, owner: list[int], k: int) -> tuple[float, float]:
    """Recall at k, question by question, from sorted lists in which the right answer loses ties."""
    found = [0, 0]
    similarity = images @ texts.T
    for row in range(len(images)):
        order = sorted(range(len(texts)), key=lambda t: (-similarity[row, t], owner[t] == row))
        found[0] += any(owner[text] == row for text in order[:k])
    for text in range(len(texts)):
        order = sorted(range(len(images)), key=lambda i: (-similarity[i, text], owner[text] == i))
        found[1] += owner[text] in order[:k]
    return found[0] / len(images), found[1] / len(texts)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=9), st.integers(0, 99))
def test_equals_a_slow_version(captions: list[int], seed: int) -> None:
    """Whole numbers, so that there are ties."""
    random = np.random.default_rng(seed)
    owner = random.permutation(np.repeat(np.arange(len(captions)), captions)).tolist()
    images = random.integers(-1, 2, (len(captions), 3)).astype(np.float32)
    texts = random.integers(-1, 2, (len(owner), 3)).astype(np.float32)
    scores = retrieval_scores(retrieval_ranks(images, texts, owner))
    for k in (1, 5, 10):
        both = scores["image_to_text"][f"recall@{k}"], scores["text_to_image"][f"recall@{k}"]
        assert both == pytest.approx(slow(images, texts, owner, k))


def test_equals_scikit_learn() -> None:
    random = np.random.default_rng(0)
    images, texts = random.normal(size=(2, 60, 8)).astype(np.float32)
    texts += images
    scores = retrieval_scores(retrieval_ranks(images, texts, np.arange(60)))
    for k in (1, 5, 10):
        expected = top_k_accuracy_score(np.arange(60), images @ texts.T, k=k)
        assert scores["image_to_text"][f"recall@{k}"] == pytest.approx(expected)
        expected = top_k_accuracy_score(np.arange(60), texts @ images.T, k=k)
        assert scores["text_to_image"][f"recall@{k}"] == pytest.approx(expected)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    images, texts = random.normal(size=(2, 50, 4))
    whole = retrieval_ranks(images, texts, np.arange(50))
    monkeypatch.setattr("adapt.evaluation.metrics.retrieval.BLOCK", 7)
    parts = retrieval_ranks(images, texts, np.arange(50))
    assert whole.image_to_text.tolist() == parts.image_to_text.tolist()
    assert whole.text_to_image.tolist() == parts.text_to_image.tolist()


def test_what_chance_gives() -> None:
    """5 captions for each of 30 images: drawn without return, not 150 times one."""
    random = np.random.default_rng(2)
    owner = np.repeat(np.arange(30), 5)
    scores = retrieval_scores(
        retrieval_ranks(random.normal(size=(30, 3)), random.normal(size=(150, 3)), owner)
    )
    expected = 1 - comb(145, 10) / comb(150, 10)
    assert scores["image_to_text"]["chance@10"] == pytest.approx(expected)
    assert scores["text_to_image"]["chance@10"] == pytest.approx(1 / 3)
    simulated = np.mean([0 in random.permutation(owner)[:10] for _ in range(4000)])
    assert simulated == pytest.approx(expected, abs=0.03)


def test_a_model_that_tells_nothing_apart_is_never_right() -> None:
    scores = retrieval_scores(retrieval_ranks(np.ones((20, 2)), np.ones((20, 2)), np.arange(20)))
    assert scores["image_to_text"]["recall@10"] == scores["text_to_image"]["recall@10"] == 0
    assert scores["image_to_text"]["median_rank"] == 20


@pytest.mark.parametrize(
    ("owner", "message"), [([0, 0], "images without a caption - 1"), ([0], "shapes do not fit")]
)
def test_what_is_refused(owner: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        retrieval_ranks(np.eye(2), np.eye(2), owner)
