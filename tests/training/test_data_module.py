"""Batches depend on seed and epoch alone, in a plain Trainer too."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.image_data import ImageData
from adapt.data.loading.datasets import EvalSampler, ImageDataset, TrainSampler
from adapt.errors import DataError, RecipeError
from adapt.training.data_module import ImageDataModule, Loader

Batches = list[dict[str, torch.Tensor]]
PLAIN = Preprocessing(16, [0.5] * 3, [0.5] * 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ImageData:
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (root / label).mkdir()
        for number in range(10):
            pixels = random.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return ImageData.from_folder(root, val=0.3)


def module(data: ImageData, **options: Any) -> ImageDataModule:
    settings = {"augmentation": "standard", "batch_size": 4, "workers": 0, **options}
    return ImageDataModule(data.train, data.val, data.class_names, PLAIN, **settings)


def epoch(loader: Loader, number: int = 0) -> Batches:
    loader.sampler.set_epoch(number)
    return list(loader)


def same(left: Batches, right: Batches) -> bool:
    return all(
        torch.equal(a[key], b[key])
        for a, b in zip(left, right, strict=True)
        for key in ("image", "target", "index")
    )


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker")
def test_workers_change_nothing(data: ImageData) -> None:
    loaders = {count: module(data, workers=count).train_dataloader() for count in (0, 1, 4)}
    torch.manual_seed(5)
    first = epoch(loaders[0])
    second = epoch(loaders[0], 1)
    for count in (1, 4):
        torch.manual_seed(count)
        assert same(first, epoch(loaders[count]))
        assert same(second, epoch(loaders[count], 1))
        loaders[count]._iterator._shutdown_workers()
    assert same(first, epoch(loaders[0]))
    assert not same(first, second)


@pytest.mark.slow
def test_processes_that_are_spawned_load_the_same(data: ImageData) -> None:
    """As on Windows and macOS: all that they need is sent to them."""
    loader = module(data, workers=1).train_dataloader()
    loader.multiprocessing_context = "spawn"
    assert same(epoch(module(data).train_dataloader()), epoch(loader))
    loader._iterator._shutdown_workers()


def test_views_vary_by_epoch_for_the_same_image(data: ImageData) -> None:
    views = {}
    loader = module(data).train_dataloader()
    for number in range(3):
        for batch in epoch(loader, number):
            for view, index in zip(batch["image"], batch["index"].tolist(), strict=True):
                views.setdefault(index, set()).add(view.numpy().tobytes())
    assert {len(seen) for seen in views.values()} == {3}


def test_batches(data: ImageData) -> None:
    own = module(data)
    batches = epoch(own.train_dataloader())
    assert [len(batch["target"]) for batch in batches] == [4, 4, 4, 2]
    assert batches[0]["image"].shape == (4, 16, 16, 3)
    assert batches[0]["image"].dtype == torch.uint8
    assert sorted(torch.cat([batch["index"] for batch in batches]).tolist()) == list(range(14))
    targets = data.train.targets(data.class_names)
    for batch in batches:
        assert batch["target"].tolist() == targets[batch["index"].numpy()].tolist()
    (val,) = list(module(data, batch_size=64).val_dataloader())
    assert val["index"].tolist() == list(range(6))
    assert torch.equal(own.on_after_batch_transfer(val, 0)["image"][2], PLAIN(data.val.open(2)))
    assert len(module(data, batch_size=64).train_dataloader()) == 1
    assert not same(batches, epoch(module(data, seed=1).train_dataloader()))


@pytest.mark.parametrize("augmentation", ["none", "strong"])
def test_views_are_normalised_to_the_same_bits(data: ImageData, augmentation: str) -> None:
    own = module(data, augmentation=augmentation)
    direct = ImageDataset(data.train, data.class_names, Augmentation(augmentation, PLAIN), 0)
    for batch in epoch(own.train_dataloader(), 1):
        expected = torch.stack([direct[1, index]["image"] for index in batch["index"].tolist()])
        arrived = own.on_after_batch_transfer(batch, 0)
        assert torch.equal(arrived["image"], expected)
        assert own.on_after_batch_transfer(arrived, 0) is arrived, "floats are left as they are"


def test_global_random_state_is_left_alone(data: ImageData) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    epoch(module(data).train_dataloader())
    assert torch.equal(before, torch.get_rng_state())


def test_samplers_share_out() -> None:
    for world in (1, 2, 3, 7, 16):
        samplers = [
            TrainSampler(range(7), seed=3, num_replicas=world, rank=r) for r in range(world)
        ]
        shares = [list(sampler) for sampler in samplers]
        assert {len(share) for share in shares} == {-(-7 // world)} == {len(samplers[0])}
        # Each image counts once; what fills the last batch of some is marked.
        counting = [[draw[1] for draw in share if len(draw) == 2] for share in shares]
        assert sorted(index for share in counting for index in share) == list(range(7))
        alone = [draw[1] for draw in TrainSampler(range(7), seed=3)]
        dealt = [counting[place % world][place // world] for place in range(7)]
        assert dealt == alone
        evals = [EvalSampler(range(7), world, rank) for rank in range(world)]
        assert sorted(index for sampler in evals for index in sampler) == list(range(7))
        assert [len(list(sampler)) for sampler in evals] == [len(sampler) for sampler in evals]


def test_dataset_can_be_sent_to_a_spawned_worker(data: ImageData) -> None:
    dataset = ImageDataset(data.train, data.class_names, Augmentation("standard", PLAIN), 7)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[(2, 3)]["image"], dataset[(2, 3)]["image"])
    plain = ImageDataset(data.train, data.class_names, PLAIN)
    assert torch.equal(plain[3]["image"], PLAIN(data.train.open(3)))
    assert plain[3]["index"] == 3


def test_unknown_class(data: ImageData) -> None:
    with pytest.raises(DataError, match="unknown class - 'dog'"):
        ImageDataModule(data.train, None, ["cat"], PLAIN)


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_file_is_named(data: ImageData, tmp_path: Path, workers: int) -> None:
    broken = data.train.subset(range(4))
    broken.paths[2] = str(tmp_path / "gone.png")
    loader = ImageDataModule(broken, None, data.class_names, PLAIN, workers=workers)
    with pytest.raises(DataError, match=r"gone\.png - no such file"):
        epoch(loader.train_dataloader())


def test_arguments(data: ImageData) -> None:
    with pytest.raises(RecipeError, match="batch_size - out of range - 0"):
        module(data, batch_size=0)
    with pytest.raises(RecipeError, match="workers - not a count - 'many'"):
        module(data, workers="many")


class Recorder(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen, self.checked = [], []

    def training_step(self, batch: dict[str, torch.Tensor], _: int) -> torch.Tensor:
        self.seen.append((self.current_epoch, batch["index"].tolist()))
        return self.layer(batch["image"].mean().view(1, 1)).sum()

    def validation_step(self, batch: dict[str, torch.Tensor], _: int) -> None:
        self.checked += batch["index"].tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def fit(own: ImageDataModule) -> Recorder:
    recorder = Recorder()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(recorder, own)
    return recorder


def test_in_a_plain_trainer(data: ImageData) -> None:
    recorder = fit(module(data))
    loader = module(data).train_dataloader()
    for number in range(2):
        expected = [batch["index"].tolist() for batch in epoch(loader, number)]
        assert [seen for at, seen in recorder.seen if at == number] == expected
    assert recorder.checked == list(range(6)) * 2


def test_trainer_without_validation(data: ImageData) -> None:
    recorder = fit(ImageDataModule(data.train, None, data.class_names, PLAIN, batch_size=64))
    assert [len(seen) for _, seen in recorder.seen] == [14, 14]
    assert recorder.checked == []
