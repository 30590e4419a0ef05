"""A classifier comes back from its bundle as it was saved."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from adapt.errors import BundleError
from adapt.models.bundle.manifest import ENCODERS, HEAD
from adapt.models.classifier import Classifier, probe_error
from tests.helpers.bundles import forge, learned
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, weights


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_round_trip(arch: str, tmp_path: Path) -> None:
    first = learned(arch)
    if arch == RESNET:  # statistics that are not their initial values
        first.train()(torch.randn(4, 3, 32, 32))
        first.eval()
    again = Classifier.load(first.save(tmp_path / "model"))
    assert bit_equal(weights(first), weights(again))
    for name in ("class_names", "prompts", "head_from_text", "temperature"):
        assert getattr(again, name) == getattr(first, name)
    assert again.backbone.spec == first.backbone.spec
    assert again.backbone.preprocessing == first.backbone.preprocessing
    assert not again.training
    side = first.backbone.preprocessing.size
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        assert torch.equal(first(pixels), again(pixels))
        texts = ["a red circle", "zebra"]
        assert torch.equal(first.backbone.encode_text(texts), again.backbone.encode_text(texts))
    assert probe_error(tmp_path / "model") <= 1e-6


def test_weights_that_do_not_fit_with_the_right_hash(folder: Path) -> None:
    save_file({"weight": torch.zeros(3, 24)}, folder / "other.safetensors")
    forge(folder, HEAD, (folder / "other.safetensors").read_bytes())
    with pytest.raises(BundleError, match="bias"):
        Classifier.load(folder)
    forge(folder, ENCODERS, (folder / "other.safetensors").read_bytes())
    with pytest.raises(BundleError, match="do not fit"):
        Classifier.load(folder)
