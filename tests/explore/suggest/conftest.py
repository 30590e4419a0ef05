"""A pool without labels, one of its drawings twice, and a list of labelled ones."""

import shutil
from pathlib import Path

import pytest

from adapt.models.classifier import Classifier
from tests.helpers.tiny import CLASSES, draw_folder


@pytest.fixture
def model(start: Classifier, tmp_path: Path) -> Path:
    """A saved model."""
    return start.save(tmp_path / "model")


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """30 drawings; `00.png` has a copy, `broken.png` is no image."""
    draw_folder(tmp_path / "drawn", dict.fromkeys(CLASSES, 10), 5)
    folder = tmp_path / "pool"
    folder.mkdir()
    for number, path in enumerate(sorted((tmp_path / "drawn").rglob("*.png"))):
        shutil.copy(path, folder / f"{number:02d}.png")
    shutil.copy(folder / "00.png", folder / "copy.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def labelled(pool: Path) -> Path:
    """A table of 12 images of the pool with their labels, and one without."""
    rows = [f"pool/{number:02d}.png,{CLASSES[number // 10]}" for number in range(4, 28, 2)]
    table = pool.parent / "labelled.csv"
    table.write_text("\n".join(["path,label", *rows, "pool/05.png,"]) + "\n")
    return table
