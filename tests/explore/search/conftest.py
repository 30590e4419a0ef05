"""Emoji of three classes, the embedded model, and their embeddings."""

import shutil
from pathlib import Path

import pytest

from adapt.data.sources.embedded import EMBEDDED
from adapt.explore.search.index import Index
from adapt.models.classifier import Classifier
from tests.helpers.embedding import embedded

CLASSES = ("clock", "flower", "heart")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six of each class, and one that cannot be read."""
    root = tmp_path_factory.mktemp("searched") / "photos"
    for label in CLASSES:
        (root / label).mkdir(parents=True)
        for file in sorted((EMBEDDED / "pictograms/emoji/test" / label).iterdir())[:6]:
            shutil.copy(file, root / label)
    (root / "broken.png").write_text("no image")
    return root


@pytest.fixture(scope="session")
def model(photos: Path) -> Path:
    """The start."""
    made = Classifier.from_clip("adapt-icons-xs", "embedded", list(CLASSES))
    return made.save(photos.parent / "model")


@pytest.fixture(scope="session")
def folder(photos: Path, model: Path) -> Path:
    """What `adapt embed` wrote, in parts of six."""
    return embedded(model, photos, photos.parent / "index").path


@pytest.fixture(scope="session")
def index(folder: Path) -> Index:
    """Opened by what the folder says."""
    return Index.open(folder, device="cpu")
