"""A model that any process can open, photos, and a Ray."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapt.models.classifier import Classifier
from tests.helpers import embedding


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an architecture that is in the package: actors know none of the tests."""
    made = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
    return made.save(tmp_path_factory.mktemp("embedding") / "model")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """See `tests.helpers.embedding.photos`."""
    return embedding.photos(tmp_path_factory.mktemp("embedding") / "photos")


@pytest.fixture(scope="session")
def ray() -> Iterator[Any]:
    """A Ray of two processors that all tests join; starting one takes ten seconds."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ours = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 << 20,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    signal.signal(signal.SIGTERM, ours)
    yield ray
    ray.shutdown()
