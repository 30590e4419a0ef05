"""What `adapt.load` gives for an export."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.export.opened import ExportedClassifier
from adapt.export.write import export
from adapt.models.classifier import Classifier
from tests.helpers.exports import noise


def test_bad_inputs_are_rows_with_an_error(model: Classifier, tmp_path: Path) -> None:
    loaded = ExportedClassifier.load(export(model, tmp_path / "out", "lean"))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    said = loaded.predict([noise(1)[0], broken, noise(2)[1]], batch_size=2, top=1)
    assert [prediction.error is None for prediction in said] == [True, False, True]
    assert [len(prediction.top) for prediction in said] == [1, 0, 1]
    assert loaded.to("cpu") is loaded
    with pytest.raises(RecipeError, match="an export runs on the CPU here - cuda"):
        loaded.to("cuda")
