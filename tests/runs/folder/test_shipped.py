"""The bundle of a run holds its card, its statistics and what it is made of."""

import json
from pathlib import Path

import pytest

from adapt.models.bundle.reference import read_reference
from tests.helpers.monitored import run_on


@pytest.mark.usefixtures("tiny_architectures")
def test_the_bundle_of_a_run(toy_root: Path, tmp_path: Path) -> None:
    folder = run_on(toy_root, tmp_path / "run", "{name: gda}").folder / "model"
    manifest = json.loads((folder / "classifier.json").read_text())
    assert manifest["info"]["alpha"] == 0.5
    assert manifest["reference"]["source"] == "val"
    assert "MODEL_CARD.md" in manifest["files"]
    assert read_reference(folder) is not None
