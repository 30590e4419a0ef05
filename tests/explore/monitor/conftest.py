"""One run for all tests of the room."""

from pathlib import Path

import pytest

from adapt.runs.run import Run
from tests.helpers.monitored import run_on


@pytest.fixture(scope="session")
def done(toy_root: Path, tmp_path_factory: pytest.TempPathFactory, tiny_architectures: None) -> Run:
    """A run whose encoders were trained, with the middle of the line as its model."""
    return run_on(toy_root, tmp_path_factory.mktemp("monitored") / "run")
