"""What the tests of recipes share."""

from pathlib import Path

import pytest

from tests.data.splits.test_stored import photos as photos


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the images the recipes name."""
    for name in ("photos", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "labels.csv").write_text("path,label\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path
