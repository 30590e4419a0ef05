"""A saved bundle."""

from pathlib import Path

import pytest

from tests.helpers.bundles import learned
from tests.helpers.tiny import VIT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return learned(VIT).save(tmp_path / "deep" / "model", {"alpha": 0.3})
