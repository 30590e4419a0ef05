"""Fixtures: tiny architectures, a toy image folder, and a start to adapt.

PyTorch and the package are imported where they are used: the process that shares tests out to
others reads this file as well, and they wait for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from adapt.data.image_data import ImageData
    from adapt.data.sources.image_list import ImageList
    from adapt.models.classifier import Classifier
    from adapt.training.context import Context

# What a commit is judged by does not depend on luck: the checks draw the same examples every time.
# Anyone else's run draws new ones and so keeps looking for what was overlooked.
hypothesis.settings.register_profile("checks", derandomize=True)
if os.environ.get("ADAPT_CI"):
    hypothesis.settings.load_profile("checks")

THREADS = int(os.environ.get("ADAPT_TEST_THREADS", "1"))
"""Tiny sums are faster in one thread, far faster where other tests run beside them; more threads
add up in another order, which `tools/kernels.sh` tries."""
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))  # for the processes that tests start

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def threads() -> Iterator[None]:
    """Of PyTorch, and of the BLAS of NumPy and SciPy."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):
        yield


@pytest.fixture(autouse=True)
def random_state() -> None:
    """What a test draws without a seed of its own does not depend on the tests before it."""
    import numpy as np
    import torch

    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is read from the cache of whoever runs the tests, nor written there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADAPT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def tiny_architectures(tmp_path_factory: pytest.TempPathFactory) -> None:
    """open_clip knows the tiny architectures of `tests/helpers/tiny.py`."""
    from tests.helpers.tiny import add_configs

    add_configs(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="session", autouse=True)
def bundles_are_checked_in_this_process() -> Iterator[None]:
    """A process for each bundle of each test would take minutes; `test_process.py` starts them."""
    from adapt.models import classifier

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "verify_in_another_process", classifier.verify_bundle)
        yield


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `train` (3 x 8), `val` (3 x 4) and `test` (3 x 5) of drawings."""
    from tests.helpers.tiny import CLASSES, draw_folder

    root = tmp_path_factory.mktemp("toy")
    for seed, (split, count) in enumerate({"train": 8, "val": 4, "test": 5}.items()):
        draw_folder(root / split, dict.fromkeys(CLASSES, count), seed)
    return root


@pytest.fixture(scope="session")
def toy_data(toy_root: Path) -> ImageData:
    """Train and val of the drawings."""
    from adapt.data.image_data import ImageData

    return ImageData.from_folder(toy_root / "train", val=toy_root / "val")


@pytest.fixture(scope="session")
def toy_test(toy_root: Path) -> ImageList:
    """Drawings that no method has seen."""
    from adapt.data.sources.folders import from_folder

    return from_folder(toy_root / "test")


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImageList]:
    """Sets `val` and `test` of drawings with unequal classes."""
    from adapt.data.sources.folders import from_folder
    from tests.helpers.tiny import CLASSES, draw_folder

    root = tmp_path_factory.mktemp("splits")
    counts = {"val": [6, 5, 4], "test": [3, 4, 5]}
    return {
        name: from_folder(draw_folder(root / name, dict(zip(CLASSES, numbers, strict=True)), seed))
        for seed, (name, numbers) in enumerate(counts.items(), 10)
    }


@pytest.fixture
def svg_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each figure of a report is drawn once, not a second time as a PNG; the report's tests do."""
    from tests.helpers.report_fixture import PIXEL

    monkeypatch.setattr("adapt.report.write.as_png", lambda _: PIXEL)


@pytest.fixture
def start() -> Classifier:
    """A tiny zero-shot classifier of the drawings; no better than chance."""
    from tests.helpers.tiny import tiny_classifier

    return tiny_classifier()


@pytest.fixture
def context() -> Context:
    """On the CPU in float32, without workers, augmentation or output."""
    from adapt.training.context import Context
    from adapt.training.settings import Runtime

    return Context(
        Runtime(accelerator="cpu", precision="32", workers="0", batch_size=8),
        augmentation="none",
        quiet=True,
    )
