"""Rare classes: orders are even, the same for all processes, and weights say the same."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.utils.class_weight import compute_class_weight

from adapt.common.seeds import sample_seed
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.image_data import ImageData
from adapt.data.loading.balance import (
    BALANCES,
    balance_weights,
    balanced_order,
    class_fractions,
    class_weights,
)
from adapt.data.loading.datasets import TrainSampler
from adapt.errors import RecipeError
from adapt.training.data_module import ImageDataModule

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)


def targets_of(counts: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


def wanted(counts: list[int], balance: str) -> np.ndarray:
    """Shares by the words of the settings."""
    present = np.array(counts) > 0
    if balance == "uniform":
        return present / present.sum()
    if balance == "sqrt":
        return np.sqrt(counts) / np.sqrt(counts).sum()
    return np.array(counts) / sum(counts)


@given(COUNTS, st.sampled_from(BALANCES), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_order(counts: list[int], balance: str, length: int, seed: int) -> None:
    targets = targets_of(counts)
    order, turn = balanced_order(targets, balance, length, np.random.default_rng(seed))
    assert len(order) == len(turn) == length
    drawn = np.bincount(targets[order], minlength=len(counts))
    assert (np.abs(drawn - length * wanted(counts, balance)) < 1 + 1e-9).all()
    assert set(targets[order]) <= {label for label, count in enumerate(counts) if count}
    times = Counter(order.tolist())
    for label, count in enumerate(counts):
        own = [times[index] for index in np.flatnonzero(targets == label).tolist()]
        assert not count or max(own) - min(own) <= 1, "no image comes again before all have come"
    # Each image's turns count up from 0, so that its views differ.
    for index, count in times.items():
        assert sorted(turn[order == index].tolist()) == list(range(count))
    again, _ = balanced_order(targets, balance, length, np.random.default_rng(seed))
    assert order.tolist() == again.tolist()


def test_quotas_are_even_in_the_mean() -> None:
    """7 draws for 3 classes: each gets 7/3 over many epochs."""
    targets, drawn = targets_of([1, 5, 20]), np.zeros(3)
    for epoch in range(600):
        order, _ = balanced_order(targets, "uniform", 7, np.random.default_rng([0, epoch]))
        drawn += np.bincount(targets[order], minlength=3)
    np.testing.assert_allclose(drawn / 600, 7 / 3, atol=0.08)


@given(COUNTS, st.sampled_from(BALANCES))
def test_weights_stand_for_draws(counts: list[int], balance: str) -> None:
    targets = targets_of(counts)
    weights = balance_weights(balance, targets, len(counts))
    np.testing.assert_allclose(weights[targets].mean(), 1)
    mass = np.bincount(targets, weights[targets], minlength=len(counts)) / len(targets)
    np.testing.assert_allclose(mass, wanted(counts, balance), atol=1e-12)
    np.testing.assert_allclose(class_fractions(np.array(counts), balance), wanted(counts, balance))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_auto_is_what_scikit_learn_calls_balanced(counts: list[int]) -> None:
    targets = targets_of(counts)
    names = [f"class {label}" for label in range(len(counts))]
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=targets)
    np.testing.assert_allclose(class_weights("auto", targets, names), expected)


def test_weights_by_name() -> None:
    names = ["cat", "caf\u00e9", "dog"]
    given_names = {"dog": 2.5, "cafe\u0301": 3}
    assert class_weights(given_names, np.array([0, 1, 2]), names).tolist() == [1, 3, 2.5]
    assert class_weights("none", np.array([0]), names) is None
    with pytest.raises(RecipeError) as caught:
        class_weights({"dgo": 2, "bird": 1, "cat": 1}, np.array([0]), names, "method.weights")
    first, second = str(caught.value).splitlines()
    known = "classes are: cat, caf\u00e9, dog"
    assert first == f"method.weights.dgo - not a class, did you mean 'dog'? - 2 - {known}"
    assert second == f"method.weights.bird - not a class - 1 - {known}"


@pytest.mark.parametrize("balance", ["uniform", "sqrt"])
def test_sampler_shares_out(balance: str) -> None:
    targets = targets_of([2, 9, 30])
    for world in (1, 2, 3, 5):
        samplers = [
            TrainSampler(range(41), 3, world, rank, balance, targets) for rank in range(world)
        ]
        for epoch in (0, 4):
            shares = []
            for sampler in samplers:
                sampler.set_epoch(epoch)
                shares.append(list(sampler))
                assert list(sampler) == shares[-1], "the same epoch, the same order"
            length = -(-41 // world)
            assert {len(share) for share in shares} == {length} == {len(samplers[0])}
            drawn = [one for share in shares for one in share]
            assert {one[0] for one in drawn} == {epoch}
            assert len({one[1:] for one in drawn}) == length * world, "no view comes twice"
            counts = np.bincount(targets[[one[1] for one in drawn]], minlength=3)
            exact = length * world * wanted([2, 9, 30], balance)
            assert (np.abs(counts - exact) < 1 + 1e-9).all()
    orders = []
    for epoch in range(3):
        samplers[0].set_epoch(epoch)
        orders.append([one[1] for one in samplers[0]])
    assert orders[0] != orders[1] != orders[2]


def test_without_balance_nothing_changed() -> None:
    targets = targets_of([2, 9, 30])
    plain = [TrainSampler(range(41), 3, 2, 1), TrainSampler(range(41), 3, 2, 1, "none", targets)]
    expected = np.random.default_rng([3, 6]).permutation(41)
    for sampler in plain:
        sampler.set_epoch(6)
        assert list(sampler) == [(6, int(i)) for i in np.resize(expected, 42)[1::2]]


def test_seeds_of_turns() -> None:
    old = int(np.random.SeedSequence([7, 3, 11]).generate_state(1)[0])
    assert sample_seed(7, 3, 11) == sample_seed(7, 3, 11, 0) == old
    assert len({sample_seed(7, 3, 11, turn) for turn in range(50)}) == 50


def test_names_of_balances() -> None:
    with pytest.raises(RecipeError, match="balance - not known, did you mean 'uniform'"):
        class_fractions(np.array([1]), "uniforn")
    with pytest.raises(RecipeError, match="balance - not known"):
        TrainSampler(range(3), balance="even")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    root = tmp_path_factory.mktemp("uneven")
    random = np.random.default_rng(0)
    for label, count in (("cat", 2), ("dog", 14)):
        (root / label).mkdir()
        for number in range(count):
            pixels = random.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return ImageData.from_folder(root, val=None)


def loader_of(
    data: ImageData, workers: int, balance: str = "uniform"
) -> torch.utils.data.DataLoader:
    steps = [{"name": "Rotate", "p": 1}, {"name": "RandomCrop"}, {"name": "ColorJitter", "p": 1}]
    plain = Preprocessing(16, [0.5] * 3, [0.5] * 3)
    module = ImageDataModule(data.train, None, data.class_names, plain, steps, 4, workers, 9)
    return module.balanced(balance).train_dataloader()


def same(left: list[dict[str, torch.Tensor]], right: list[dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(a[key], b[key]) for a, b in zip(left, right, strict=True) for key in a)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_workers_change_nothing(uneven: ImageData) -> None:
    batches = {}
    for workers in (0, 1, 4):
        torch.manual_seed(workers)
        loader = loader_of(uneven, workers)
        batches[workers] = list(loader)
        if workers:
            loader._iterator._shutdown_workers()
    assert same(batches[0], batches[1])
    assert same(batches[0], batches[4])
    assert not same(batches[0], list(loader_of(uneven, 0, "none")))


@pytest.mark.slow
def test_spawned_workers_change_nothing(uneven: ImageData) -> None:
    loader = loader_of(uneven, 1)
    loader.multiprocessing_context = "spawn"
    assert same(list(loader_of(uneven, 0)), list(loader))
    loader._iterator._shutdown_workers()


def test_images_that_come_again_are_seen_anew(uneven: ImageData) -> None:
    loader, views = loader_of(uneven, 0), {}
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert [len(batch["target"]) for batch in batches] == [4, 4, 4, 4], "as many steps"
        assert torch.cat([batch["target"] for batch in batches]).bincount().tolist() == [8, 8]
        for batch in batches:
            for view, index in zip(batch["image"], batch["index"].tolist(), strict=True):
                views.setdefault(index, []).append(view.numpy().tobytes())
    assert all(len(set(seen)) == len(seen) for seen in views.values())
    assert len(views[0]) == 8, "two images of a class come four times in each epoch"
