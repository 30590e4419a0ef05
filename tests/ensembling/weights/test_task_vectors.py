"""TIES, DARE and SLERP against slow versions of what their authors do."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapt.ensembling.weights.dare import dare
from adapt.ensembling.weights.slerp import Slerp
from adapt.ensembling.weights.task_vectors import Merged
from adapt.ensembling.weights.ties import ties
from adapt.errors import RecipeError, WeightsError

State = dict[str, Tensor]


def states(seed: int, count: int) -> tuple[State, list[State]]:
    """A start with a counter, and models whose changes are small and large."""
    random = np.random.default_rng(seed)

    def one(size: float) -> State:
        return {
            "b": torch.from_numpy(size * random.normal(size=7)).float(),
            "a.weight": torch.from_numpy(size * random.normal(size=(4, 5))).float(),
        }

    start = one(1.0)
    tuned = [
        {name: start[name] + change for name, change in one(0.3).items()} for _ in range(count)
    ]
    counter = {"seen": torch.tensor(3)}
    return start | counter, [model | {"seen": torch.tensor(5)} for model in tuned]


def flat(state: State) -> np.ndarray:
    """All floating-point numbers in the order of their names."""
    return np.concatenate([state[name].reshape(-1).numpy() for name in ("a.weight", "b")])


def slow_ties(start: State, tuned: list[State], kept: float) -> np.ndarray:
    """The authors' notebook, number by number."""
    vectors = [flat(model) - flat(start) for model in tuned]
    trimmed = []
    for vector in vectors:
        place = len(vector) - int(len(vector) * kept)
        least = sorted(abs(float(value)) for value in vector)[max(1, place) - 1]
        trimmed.append([float(v) if abs(float(v)) >= least else 0.0 for v in vector])
    sums = [sum(column) for column in zip(*trimmed, strict=True)]
    majority = np.sign(sum(np.sign(value) for value in sums))
    merged = []
    for total, column in zip(sums, zip(*trimmed, strict=True), strict=True):
        sign = np.sign(total) or majority
        agree = [v for v in column if (v > 0 if sign > 0 else v < 0)]
        merged.append(sum(agree) / max(1, len(agree)))
    return flat(start) + np.array(merged)


@given(st.integers(0, 1000), st.integers(2, 4), st.sampled_from([0.1, 0.2, 0.5, 1.0]))
@settings(max_examples=30, deadline=None)
def test_ties_is_that_of_its_authors(seed: int, count: int, kept: float) -> None:
    start, tuned = states(seed, count)
    merged = dict(ties(start, tuned, kept))
    np.testing.assert_allclose(flat(merged), slow_ties(start, tuned, kept), atol=1e-6)
    assert int(merged["seen"]) == 3, "what counts is the start's"


def test_ties_of_contrary_models() -> None:
    """The larger sum decides, and the other model plays no part."""
    start = {"w": torch.zeros(3)}
    models = [{"w": torch.tensor([3.0, -1.0, 2.0])}, {"w": torch.tensor([-1.0, -3.0, -2.0])}]
    # The sums are 2, -4 and 0; signs +, - and none add up to 0, and none is not above 0: as in the
    # authors' code the negative change of the third is taken.
    assert ties(start, models, 1.0)["w"].tolist() == [3.0, -2.0, -2.0]


def test_dare_keeps_what_it_keeps_and_divides_it() -> None:
    start, tuned = states(1, 2)
    same = dict(dare(start, tuned, 0.0))
    mean = (flat(tuned[0]) + flat(tuned[1])) / 2
    np.testing.assert_allclose(flat(same), mean, atol=1e-6)
    merged = dare(start, [tuned[0], start], 0.75, seed=4)
    change = 2 * (flat(dict(merged)) - flat(start))
    whole = flat(tuned[0]) - flat(start)
    kept = np.abs(change) > 1e-6
    np.testing.assert_allclose(change[kept], 4 * whole[kept], rtol=1e-4, atol=1e-5)
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(merged["b"], merged["b"]), "the same draws each time it is read"


def test_dare_is_the_mean_on_average() -> None:
    start, tuned = states(2, 3)
    draws = np.mean([flat(dict(dare(start, tuned, 0.5, seed))) for seed in range(400)], axis=0)
    np.testing.assert_allclose(draws, np.mean([flat(m) for m in tuned], axis=0), atol=0.08)


@given(st.integers(0, 1000), st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_slerp_turns_evenly(seed: int, fraction: float) -> None:
    """Of unit vectors: the length stays 1 and the angle to the first is that part of the whole."""
    random = np.random.default_rng(seed)
    ends = random.normal(size=(2, 12))
    first, second = ends / np.linalg.norm(ends, axis=1, keepdims=True)
    state = [{"w": torch.from_numpy(end)} for end in (first, second)]
    turned = Slerp(*state, fraction)["w"].numpy()
    whole = np.arccos(np.clip(first @ second, -1, 1))
    assert np.linalg.norm(turned) == pytest.approx(1.0)
    assert np.arccos(np.clip(first @ turned, -1, 1)) == pytest.approx(fraction * whole, abs=1e-6)


def test_slerp_of_parallel_zero_and_equal_tensors() -> None:
    first = {"p": torch.tensor([1.0, 1.0]), "z": torch.zeros(2), "e": torch.ones(2)}
    second = {"p": torch.tensor([3.0, 3.0]), "z": torch.tensor([2.0, 0.0]), "e": torch.ones(2)}
    arc = dict(Slerp(first, second, 0.5))
    assert arc["p"].tolist() == [2.0, 2.0]
    assert arc["z"].tolist() == [1.0, 0.0]
    assert torch.equal(arc["e"], first["e"])


def test_a_variance_stops_at_zero_and_unchanged_tensors_are_the_starts() -> None:
    start = {"bn.running_var": torch.tensor([0.1]), "w": torch.ones(2)}
    merged = Merged(start, [start, start], lambda name, vectors: vectors[0] - 1)
    assert torch.equal(merged["bn.running_var"], start["bn.running_var"])
    moved = {"bn.running_var": torch.tensor([0.2]), "w": torch.ones(2)}
    merged = Merged(start, [moved, start], lambda name, vectors: vectors[0] - 1)
    assert float(merged["bn.running_var"]) == 0.0
    assert torch.equal(merged["w"], start["w"])


def test_what_is_refused() -> None:
    start = {"w": torch.zeros(2)}
    with pytest.raises(RecipeError, match="too few models - 1"):
        ties(start, [start])
    with pytest.raises(WeightsError, match="shapes differ"):
        dare(start, [start, {"w": torch.zeros(3)}])
    with pytest.raises(WeightsError, match="only in one of the models"):
        Slerp(start, {"v": torch.zeros(2)})
