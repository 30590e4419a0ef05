"""Soup algebra against numpy: exact means, the greedy pass, and what it says of the refused."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from adapt.ensembling.weights.soup import Mean, TensorFiles, greedy_soup, position, uniform_soup
from adapt.errors import RecipeError, WeightsError
from tests.helpers.tiny import bit_equal

State = dict[str, Tensor]
HALVES = [torch.float32, torch.float16, torch.bfloat16]


def states(count: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> list[State]:
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            "a": torch.randn(3, 4, generator=generator).to(dtype),
            "b": torch.randn((), generator=generator).to(dtype),
            "n": torch.tensor(number),
        }
        for number in range(count)
    ]


def single(*values: float) -> dict[str, State]:
    return {
        name: {"w": torch.tensor([value])} for name, value in zip("abcdef", values, strict=False)
    }


@given(count=st.integers(2, 7), seed=st.integers(0, 999), dtype=st.sampled_from(HALVES))
@settings(deadline=None, max_examples=40)
def test_a_uniform_soup_is_the_mean(count: int, seed: int, dtype: torch.dtype) -> None:
    given = states(count, seed, dtype)
    found = uniform_soup(given)
    for name in "ab":
        exact = np.stack([one[name].double().numpy() for one in given]).mean(0)
        assert found[name].dtype == dtype
        assert found[name].shape == given[0][name].shape
        error = np.abs(found[name].double().numpy() - exact)
        assert (error <= torch.finfo(dtype).eps * np.abs(exact) + 1e-12).all()
    assert found["n"].item() == 0  # a counter is the first ingredient's


@given(order=st.permutations(range(5)), seed=st.integers(0, 999))
@settings(deadline=None, max_examples=40)
def test_order_does_not_matter(order: list[int], seed: int) -> None:
    given = states(5, seed)
    found, turned = uniform_soup(given), uniform_soup([given[number] for number in order])
    for name in "ab":
        # the float64 sums may differ in their last bit, which can tip the rounding to float32
        torch.testing.assert_close(found[name], turned[name], rtol=2.4e-7, atol=1e-12)


@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1),
    count=st.integers(2, 9),
    dtype=st.sampled_from(HALVES),
)
@settings(deadline=None, max_examples=60)
def test_identical_ingredients_give_their_bits(
    values: list[float], count: int, dtype: torch.dtype
) -> None:
    one = {"w": torch.tensor(values).to(dtype), "n": torch.tensor(3)}
    assert bit_equal(uniform_soup([one] * count), one)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    given = states(3)
    whole = uniform_soup(given), position(given[0], given[1], given[2])
    monkeypatch.setattr("adapt.ensembling.weights.soup.BLOCK", 5)
    assert bit_equal(uniform_soup(given), whole[0])
    assert position(given[0], given[1], given[2]) == pytest.approx(whole[1], rel=1e-12)


def test_infinite_weights_stay() -> None:
    mask = {"mask": torch.tensor([0.0, -torch.inf])}
    assert bit_equal(uniform_soup([mask, mask]), mask)


def test_files_are_read_one_tensor_at_a_time(tmp_path: Path) -> None:
    given = states(3)
    files = []
    for number, one in enumerate(given):
        save_file({"a": one["a"], "n": one["n"]}, tmp_path / f"{number}.safetensors")
        save_file({"b": one["b"]}, tmp_path / f"{number}.head.safetensors")
        files.append(
            TensorFiles(
                {
                    "": tmp_path / f"{number}.safetensors",
                    "head.": tmp_path / f"{number}.head.safetensors",
                }
            )
        )
    assert set(files[0]) == {"a", "n", "head.b"}
    assert len(files[0]) == 3
    found, expected = uniform_soup(files), uniform_soup(given)
    assert torch.equal(found["a"], expected["a"])
    assert torch.equal(found["head.b"], expected["b"])
    assert {name: tuple(one.shape) for name, one in files[0].outline().items()} == {
        "a": (3, 4), "n": (), "head.b": ()}  # fmt: skip


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        ({"a": torch.zeros(2)}, "ingredient 1 and ingredient 3: b - only in one of the models"),
        ({"a": torch.zeros(2), "b": torch.zeros(2)}, "b - shapes differ - (1,) and (2,)"),
    ],
)
def test_other_names_and_shapes(broken: State, expected: str, tmp_path: Path) -> None:
    good = {"a": torch.zeros(2), "b": torch.zeros(1)}
    save_file(broken, tmp_path / "x.safetensors")
    for last in (broken, TensorFiles({"": tmp_path / "x.safetensors"})):
        with pytest.raises(WeightsError) as caught:
            uniform_soup([good, good, last])
        assert expected in str(caught.value)


def test_a_soup_of_one() -> None:
    for attempt in (
        lambda: uniform_soup([{"w": torch.zeros(1)}]),
        lambda: uniform_soup([]),
        lambda: greedy_soup(single(1.0), lambda state: 0.0, {"w": torch.zeros(1)}),
    ):
        with pytest.raises(RecipeError, match=r"soup - too few models - [01] - give two or more"):
            attempt()


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no tensors here")
    for name in ("x.safetensors", "missing.safetensors"):
        with pytest.raises(WeightsError, match="cannot be read as safetensors"):
            TensorFiles({"": tmp_path / name})
    save_file({"w": torch.zeros(1)}, tmp_path / "y.safetensors")
    lost = TensorFiles({"": tmp_path / "y.safetensors"})
    (tmp_path / "y.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be read as safetensors"):
        lost["w"]


def greedy_by_hand(
    values: dict[str, float], score: dict[frozenset[str], float]
) -> tuple[list[str], float]:
    """The pass of the paper on sets of names."""
    order = sorted(values, key=lambda name: (-score[frozenset(name)], list(values).index(name)))
    chosen = order[:1]
    for name in order[1:]:
        if score[frozenset([*chosen, name])] > score[frozenset(chosen)]:
            chosen = [*chosen, name]
    return chosen, score[frozenset(chosen)]


@given(table=st.lists(st.integers(0, 4), min_size=15, max_size=15))
@settings(deadline=None, max_examples=80)
def test_the_greedy_pass_on_made_up_scores(table: list[int]) -> None:
    # the means of 1, 10, 100, 1000 tell which of them were averaged
    values = {"a": 1.0, "b": 10.0, "c": 100.0, "d": 1000.0}
    subsets = [
        frozenset(name for bit, name in enumerate("abcd") if number >> bit & 1)
        for number in range(1, 16)
    ]
    score = {names: table[n] / 4 for n, names in enumerate(subsets)}
    by_mean = {np.float32(np.mean([values[n] for n in names])): score[names] for names in subsets}
    ingredients = {name: {"w": torch.tensor(value)} for name, value in values.items()}
    found = greedy_soup(ingredients, lambda state: by_mean[np.float32(state["w"].item())])
    chosen, best = greedy_by_hand(values, score)
    assert (found.chosen, found.score) == (chosen, best)
    assert found.state["w"].item() == np.float32(np.mean([values[name] for name in chosen]))
    assert [trial.name for trial in found.trials if trial.kept] == chosen
    assert sorted(trial.name for trial in found.trials) == list("abcd")


def test_a_tie_is_refused_and_the_first_of_equals_leads() -> None:
    found = greedy_soup(single(1.0, 3.0), lambda state: 0.5)
    assert found.chosen == ["a"]
    assert found.state["w"].item() == 1.0
    assert found.trials[0].reason == "first: the best alone (0.500)"
    assert found.trials[1].reason == "refused: no gain, the score stays at 0.500"


def test_known_scores_are_not_measured_again() -> None:
    asked = []

    def score(state: Mapping[str, Tensor]) -> float:
        asked.append(state["w"].item())
        return asked[-1]

    found = greedy_soup(single(1.0, 2.0), score, alone={"a": 9.0, "b": 1.0})
    assert asked == [1.5]
    assert found.chosen == ["a"]


def test_the_result_is_the_mean_of_the_chosen() -> None:
    given = {str(number): one for number, one in enumerate(states(6, seed=4))}
    count = iter(np.linspace(0.5, 0.9, 11))  # each call scores higher: all are kept
    found = greedy_soup(given, lambda state: float(next(count)), given["0"])
    assert sorted(found.chosen) == sorted(given)
    assert bit_equal(dict(found.state), uniform_soup([given[name] for name in found.chosen]))


def test_why_a_candidate_was_refused() -> None:
    start = {"w": torch.zeros(2), "n": torch.tensor(1)}

    def at(x: float, y: float) -> State:
        return {"w": torch.tensor([x, y]), "n": torch.tensor(1)}

    ingredients = {"best": at(1, 0), "aside": at(0, 1), "far": at(8, 6), "start": at(0, 0)}
    alone = {"best": 0.9, "aside": 0.89, "far": 0.4, "start": 0.3}
    found = greedy_soup(ingredients, lambda state: 0.7, start, alone)
    first, aside, far, same = found.trials
    assert found.chosen == ["best"]
    assert (first.cosine, first.distance, first.before) == (None, None, None)
    assert (aside.alone, aside.before, aside.after) == (0.89, 0.9, 0.7)
    assert (aside.cosine, aside.distance) == pytest.approx((0.0, np.sqrt(2)))
    assert aside.reason == (
        "refused: lowers the score from 0.900 to 0.700; "
        "it points away from the others (cosine 0.00)"
    )
    assert (far.cosine, far.distance) == pytest.approx((0.8, np.hypot(7, 6)))
    assert far.reason.endswith(
        "it is itself much worse (0.400 alone) and lies 9.2 times as far away as the start does"
    )
    assert (same.cosine, same.distance) == (None, 1.0)
    again = greedy_soup({"start": at(0, 0), "other": at(1, 0)}, lambda _: 0.0, start,
                        {"start": 1.0, "other": 0.9})  # fmt: skip
    assert (again.trials[1].cosine, again.trials[1].distance) == (None, None)


@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=20)
def test_the_position_against_numpy(seed: int) -> None:
    given = states(3, seed)
    start, soup, other = (
        np.concatenate([one["a"].double().numpy().ravel(), [one["b"].double().item()]])
        for one in given
    )
    cosine, distance = position(*given)
    u, v = soup - start, other - start
    assert cosine == pytest.approx(u @ v / np.linalg.norm(u) / np.linalg.norm(v), abs=1e-12)
    assert distance == pytest.approx(np.linalg.norm(other - soup) / np.linalg.norm(u), rel=1e-9)


def test_a_mean_holds_nothing() -> None:
    reads = []

    class Reading(Mapping[str, Tensor]):
        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, name: str) -> Tensor:
            reads.append(self.name)
            return torch.ones(1)

        def __iter__(self) -> Iterator[str]:
            return iter(["w", "v"])

        def __len__(self) -> int:
            return 2

    mean = Mean([Reading("x"), Reading("y")])
    assert (list(mean), len(mean), reads) == (["w", "v"], 2, [])
    assert mean["w"].item() == 1
    assert set(reads) == {"x", "y"}
