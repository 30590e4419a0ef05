"""Faults of loading processes in a training: row F38."""

import multiprocessing
import os
import signal
from dataclasses import replace

import pytest

from adapt.data.image_data import ImageData
from adapt.data.loading import workers
from adapt.data.loading.datasets import ImageDataset
from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.training import fit

QUICK = Optim(lr=1e-3, epochs=1, batch_size=8)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_training_whose_loading_process_dies(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = os.getpid()

    def killed(self: ImageDataset, item: object) -> None:
        assert os.getpid() != main
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(ImageDataset, "__getitem__", killed)
    own = replace(context, runtime=replace(context.runtime, workers="2"))
    with pytest.raises(RunError, match=r"loading images - process \d+ was ended by signal"):
        fit(start, toy_data, QUICK, own)
    assert not multiprocessing.active_children()


def test_too_little_shared_memory(
    start: Classifier, toy_data: ImageData, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused where a number was asked for; otherwise fewer processes, and a sentence."""
    monkeypatch.setattr(workers, "shared_memory", lambda: (30_000, 64_000))
    own = replace(context, runtime=replace(context.runtime, workers="2"))
    with pytest.raises(RunError, match=r"^runtime.workers - too little shared memory - 2 l"):
        fit(start, toy_data, QUICK, own)
    monkeypatch.setattr("adapt.training.data_module.count_workers", lambda *_: 2)
    told: list[str] = []
    auto = replace(own, runtime=replace(own.runtime, workers="auto"), tell=told.append)
    fit(start, toy_data, QUICK, auto)
    assert len(told) == 1
    assert "the main process will load images" in told[0]
