"""A model that any process can open, and photos."""

from pathlib import Path

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
