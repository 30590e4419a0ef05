"""A model with every part of a verdict."""

import logging
from collections.abc import Iterator

import pytest

from adapt.models.classifier import Classifier
from tests.helpers.bundles import learned
from tests.helpers.exports import full
from tests.helpers.tiny import VIT


@pytest.fixture(scope="session", autouse=True)
def no_trace() -> Iterator[None]:
    """torch tells pytest every step of its tracing, which takes longer than the steps."""
    log = logging.getLogger("torch.__trace")
    log.disabled, before = True, log.disabled
    yield
    log.disabled = before


@pytest.fixture(scope="session")
def model(tiny_architectures: None) -> Classifier:
    """A tiny model with thresholds."""
    return full(learned(VIT))
