"""One model in the forms that travel."""

from pathlib import Path

import pytest

from adapt.export.write import export
from adapt.models.classifier import Classifier

CARD = "---\nlicense: mit\n---\n\n# Animals\n"


@pytest.fixture(scope="session")
def shipped(model: Classifier, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle with a card, one without, and exports; nobody changes them."""
    folder = tmp_path_factory.mktemp("shipped")
    return {
        "bundle": model.save(folder / "bundle", card=CARD),
        "plain": model.save(folder / "plain"),
        "export": export(model, folder / "export", "lean"),
        "hub": export(model, folder / "hub", "hub", card=CARD),
    }
