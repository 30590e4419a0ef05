"""A model that is ready to answer."""

from pathlib import Path

import pytest
import torch

from adapt.errors import RecipeError
from adapt.export.write import export
from adapt.predictions.opening import open_model
from tests.helpers.exports import full
from tests.helpers.tiny import tiny_classifier


def test_a_bundle_and_its_precision(tmp_path: Path) -> None:
    classifier = tiny_classifier()
    opened = open_model(classifier.save(tmp_path / "model"), "cpu")
    assert opened.device == "cpu"
    assert opened.width() == 24
    assert opened.predictor.class_names == classifier.class_names
    left, right = torch.full((1, 1), 1 + 2.0**-10), torch.ones(1, 1)
    with opened.kernels():
        assert (left @ right).dtype == torch.float32
    with open_model(tmp_path / "model", "cpu", "bf16").kernels():
        assert (left @ right).dtype == torch.bfloat16


def test_an_export_has_its_own_precision(tmp_path: Path) -> None:
    export(full(tiny_classifier()), tmp_path / "lean", "lean")
    assert open_model(tmp_path / "lean").device == "cpu"
    with pytest.raises(RecipeError, match="--precision - an export computes as it was exported"):
        open_model(tmp_path / "lean", precision="bf16")
