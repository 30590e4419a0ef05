"""A saved bundle, and the embedded model without and with adapters."""

from pathlib import Path

import pytest
import torch

from adapt.models.adapters.lora import LoraAdapter, LoraSettings
from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.tiny import VIT


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
    adapter = LoraAdapter(embedded, settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.classifier.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    return adapter.merged()
