"""Fixtures: tiny architectures, a toy image folder, and a start to adapt."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, add_configs, draw_folder, tiny_classifier

# What a commit is judged by does not depend on luck: the checks draw the same examples every time.
# Anyone else's run draws new ones and so keeps looking for what was overlooked.
hypothesis.settings.register_profile("checks", derandomize=True)
if os.environ.get("ADAPT_CI"):
    hypothesis.settings.load_profile("checks")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny sums are faster without threads, far faster on a machine that has other work."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from the cache of whoever runs the tests, nor written there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def tiny_architectures(tmp_path_factory: pytest.TempPathFactory) -> None:
    """open_clip knows the tiny architectures of `tests/helpers/tiny.py`."""
    add_configs(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `train` (3 x 8), `val` (3 x 4) and `test` (3 x 5) of drawings."""
    root = tmp_path_factory.mktemp("toy")
    for seed, (split, count) in enumerate({"train": 8, "val": 4, "test": 5}.items()):
        draw_folder(root / split, dict.fromkeys(CLASSES, count), seed)
    return root


@pytest.fixture(scope="session")
def toy_data(toy_root: Path) -> ImageData:
    """Train and val of the drawings."""
    return ImageData.from_folder(toy_root / "train", val=toy_root / "val")


@pytest.fixture(scope="session")
def toy_test(toy_root: Path) -> ImageList:
    """Drawings that no method has seen."""
    return from_folder(toy_root / "test")


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageList]:
    """Sets `val` and `test` of drawings with unequal classes."""
    root = tmp_path_factory.mktemp("splits")
    counts = {"val": [6, 5, 4], "test": [3, 4, 5]}
    return {
        name: from_folder(draw_folder(root / name, dict(zip(CLASSES, numbers, strict=True)), seed))
        for seed, (name, numbers) in enumerate(counts.items(), 10)
    }


@pytest.fixture
def start() -> Classifier:
    """A tiny zero-shot classifier of the drawings; no better than chance."""
    return tiny_classifier()


@pytest.fixture
def context() -> Context:
    """On the CPU in float32, without workers, augmentation or output."""
    return Context(
        Runtime(accelerator="cpu", precision="32", workers="0", batch_size=8),
        augmentation="none",
        quiet=True,
    )
