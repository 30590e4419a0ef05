"""Samplers and workers give the same images in the same order."""

import numpy as np
import pytest
import torch
from PIL import Image

from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.image_data import ImageData
from adapt.data.loading.datasets import FILLING, TrainSampler
from adapt.training.data_module import ImageDataModule
from tests.data.loading.test_balance import targets_of, wanted


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
            every = [one for share in shares for one in share]
            assert {one[0] for one in every} == {epoch}
            drawn = [one for one in every if one[2] != FILLING]
            assert len({one[1:] for one in drawn}) == 41, "no view comes twice"
            counts = np.bincount(targets[[one[1] for one in drawn]], minlength=3)
            exact = 41 * wanted([2, 9, 30], balance)
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
        own = [(6, int(index)) for index in expected[1::2]]
        assert list(sampler) == [*own, (6, int(expected[0]), FILLING)]


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
