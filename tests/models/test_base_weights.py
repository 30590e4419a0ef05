"""The base of a delta is what the delta was made from, or refused."""

from pathlib import Path

import pytest

from adapt.errors import BundleError
from adapt.export.delta import write_delta
from adapt.models.base_weights import base_weights
from adapt.models.bundle.read import read_bundle
from adapt.models.bundle.tensors import save_tensors
from adapt.models.classifier import Classifier
from tests.helpers.tiny import bit_equal, weights


def test_another_base_is_refused(low_rank: Classifier, tmp_path: Path) -> None:
    small = write_delta(low_rank.save(tmp_path / "whole"), tmp_path / "small").folder
    state = Classifier.from_clip("adapt-icons-xs", "random", ["cat"]).backbone.model.state_dict()
    save_tensors(state, tmp_path / "other.safetensors")
    with pytest.raises(BundleError, match="not the weights that the model started from - hash"):
        Classifier.load(small, tmp_path / "other.safetensors")
    with pytest.raises(BundleError, match=r"pretrained weights are not at hand.*--base"):
        Classifier.load(small, tmp_path / "nothing.safetensors")


def test_a_base_named_by_its_file(low_rank: Classifier, tmp_path: Path) -> None:
    folder = low_rank.save(tmp_path / "whole")
    small = write_delta(folder, tmp_path / "small").folder
    state = base_weights(read_bundle(small).manifest)
    save_tensors(state, tmp_path / "base.safetensors")
    assert bit_equal(
        weights(Classifier.load(small, tmp_path / "base.safetensors")), weights(low_rank)
    )
