"""A bundle with thresholds, served once for the tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapt.models.classifier import Classifier
from adapt.models.prediction.uncertainty import Uncertainty
from tests.helpers.serving import TOKEN, Running, running
from tests.helpers.tiny import tiny_classifier

THRESHOLDS = Uncertainty(
    abstain_below=0.5,
    abstain_coverage=0.9,
    conformal_level=0.9,
    conformal_threshold=0.8,
    unknown_detector="msp",
    unknown_threshold=0.34,
)


@pytest.fixture(scope="session")
def served_model() -> Classifier:
    """Zero-shot, with every kind of threshold."""
    return tiny_classifier().with_uncertainty(THRESHOLDS)


@pytest.fixture(scope="session")
def served_folder(served_model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle; tests that change it take a copy."""
    return served_model.save(tmp_path_factory.mktemp("served") / "model")


@pytest.fixture(scope="session")
def server(served_folder: Path) -> Iterator[Running]:
    """Without a token. One thread reads, so that the images of a request keep their order."""
    with running(served_folder, readers=1, batch_wait_ms=500, max_images=8, max_megabytes=4) as it:
        yield it


@pytest.fixture(scope="session")
def guarded(served_folder: Path) -> Iterator[Running]:
    """With a token."""
    with running(served_folder, TOKEN) as it:
        yield it
