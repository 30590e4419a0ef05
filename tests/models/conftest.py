"""A saved bundle, and the embedded model without and with adapters."""

from pathlib import Path

import pytest

from adapt.models.adapters.lora import LoraSettings
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.tiny import VIT
from tests.helpers.tuned import with_adapters


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return learned(VIT).save(tmp_path / "deep" / "model", {"alpha": 0.3})


@pytest.fixture(scope="session")
def embedded() -> Classifier:
    """The embedded model with three classes."""
    return Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog", "tree"])


@pytest.fixture(scope="session")
def low_rank(embedded: Classifier) -> Classifier:
    """The same after adapters were added to its image encoder."""
    settings = LoraSettings(4, 8.0, False, 0.0, ["q", "k", "v", "o"], "image", [])
    return with_adapters(embedded, settings, 0.05)
