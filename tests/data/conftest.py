"""What the readers' tests share: a cache of their own, and class folders."""

from pathlib import Path

import pytest

from tests.helpers.packed import draw


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sources are unpacked, for one test alone."""
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "unpacked"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two class folders of two images each."""
    for number, name in enumerate(["dog/b.png", "dog/a.png", "cat/10.png", "cat/2.png"]):
        draw(tmp_path / "photos" / name, number)
    return tmp_path / "photos"
