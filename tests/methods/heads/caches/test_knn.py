"""Nearest neighbours against scikit-learn, and beside zero-shot."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier

from adapt.methods.features.cross_validation import Weights, rounds
from adapt.methods.heads.caches.knn import COUNTS, KNN
from tests.helpers.support_problem import ALL, UNEVEN, numbers, problem

pytestmark = pytest.mark.numerical

FULL = ALL * 3


@pytest.mark.parametrize("targets", [FULL, UNEVEN])
@pytest.mark.parametrize("beta", [0.0, 8.0])
@pytest.mark.parametrize("neighbours", [1, 3, 7])
def test_votes_alone_equal_scikit_learn(targets: list[int], beta: float, neighbours: int) -> None:
    support = problem(targets)
    queries = problem(FULL, seed=1).features
    x, y, _ = numbers(support)
    other = KNeighborsClassifier(
        neighbours, weights=lambda distance: np.exp(-beta * distance), metric="cosine"
    ).fit(x, y)
    expected = np.zeros((len(queries), 5))
    expected[:, other.classes_] = other.predict_proba(queries.double().numpy())
    votes = KNN(neighbours, beta, alone=True).head(support)(queries).detach().numpy()
    np.testing.assert_allclose(votes / votes.sum(1, keepdims=True), expected, atol=1e-5)


def test_votes_are_added_to_zero_shot() -> None:
    support, queries = problem(FULL), problem(FULL, seed=1).features
    alone = KNN(3, alone=True).head(support)(queries)
    fused = KNN(3, alpha=2.5).head(support)(queries)
    torch.testing.assert_close(fused, queries @ support.zero_shot.T + 2.5 * alone)
    stronger = KNN(3, alone=True, alpha=4.0).head(support)(queries)
    torch.testing.assert_close(stronger, 4 * alone)


def test_the_number_alone_has_most_right_answers_held_out() -> None:
    support = problem(FULL)
    x, y, _ = numbers(support)
    turn, right = rounds(support).numpy(), []
    for count in COUNTS:
        answers = []
        for image in range(len(y)):
            rest = np.flatnonzero(turn != turn[image])
            near = rest[np.argsort(-x[rest] @ x[image])[:count]]
            votes = np.zeros(5)
            for key in near:
                votes[y[key]] += np.exp(-16 * (1 - x[key] @ x[image]))
            answers.append(votes.argmax() == y[image])
        right.append(float(np.mean(answers)))
    chosen = KNN(alone=True).choose(support)
    assert right[COUNTS.index(chosen[0])] == max(right)
    assert chosen[1] == Weights(1.0, 1.0)


def test_what_is_given_is_not_chosen() -> None:
    support = problem(FULL)
    assert KNN(5, alpha=0.3).choose(support) == (5, Weights(1.0, 0.3))
    assert KNN(5).choose(support)[0] == 5
    assert KNN(alpha=0.3).choose(support)[1] == Weights(1.0, 0.3)
    assert KNN().choose(problem([0, 1, 2, 3, 4])) == (1, Weights(1.0, 2.0))


def test_more_neighbours_than_images_are_all() -> None:
    support, queries = problem(UNEVEN), problem(FULL, seed=1).features
    many, all_of_them = (KNN(n, alpha=1.0).head(support)(queries) for n in (99, len(UNEVEN)))
    torch.testing.assert_close(many, all_of_them)


@pytest.mark.parametrize(
    ("name", "value"), [("neighbours", 0), ("beta", -1.0), ("alpha", 0.0), ("views", 0)]
)
def test_ranges(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} - out of range - {value!r} - give"):
        KNN(**{name: value})
