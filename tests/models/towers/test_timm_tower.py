"""Image encoders of timm: features, weights from a file, bundles, texts beside them."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from adapt.data.labels.classes import ClassName
from adapt.errors import ModelError
from adapt.models.building.timm_images import has_text
from adapt.models.classifier import Classifier, verify_bundle
from adapt.models.settings import TextTower
from adapt.models.towers.timm_tower import image_classifier, load_tower, named_classifier
from tests.helpers.tiny import CLASSES, VIT, tiny_classifier

NAMES = [ClassName(name, name.replace("_", " ")) for name in CLASSES]
ARCH = "timm/test_resnet"


def test_features_are_those_of_timm_with_weights_of_a_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = timm.create_model("test_resnet", pretrained=False).eval()
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    backbone = load_tower(ARCH, str(path), image_size=64)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(pixels), pre_logits=True)
        features = backbone.encode_image(pixels)
    torch.testing.assert_close(features, torch.nn.functional.normalize(expected, dim=-1))
    assert backbone.width == features.shape[1]
    assert not has_text(backbone.spec.arch)
    wrong = dict(model.state_dict())
    wrong.pop(next(key for key in wrong if key.endswith("conv1.weight")))
    save_file(wrong, path)
    with pytest.raises(ModelError, match="does not fit timm/test_resnet"):
        load_tower(ARCH, str(path))
    with pytest.raises(ModelError, match="no such file - 'a1_in1k'"):
        load_tower(ARCH, "a1_in1k")
    (tmp_path / "model.pth").write_bytes(b"x")
    with pytest.raises(ModelError, match="a pickle"):
        load_tower(ARCH, str(tmp_path / "model.pth"))


def test_random_weights_are_fixed_by_the_seed() -> None:
    first, again, other = (load_tower(ARCH, "random", seed, 64) for seed in (0, 0, 1))
    assert first.spec.base_hash == again.spec.base_hash != other.spec.base_hash


def test_a_bundle_comes_back(tmp_path: Path) -> None:
    model = image_classifier(load_tower(ARCH, "random", 0, 64), NAMES)
    with torch.no_grad():
        model.head.weight.normal_()
    folder = model.save(tmp_path / "model")
    verify_bundle(folder)
    loaded = Classifier.load(folder)
    assert loaded.backbone.preprocessing == model.backbone.preprocessing
    assert loaded.backbone.preprocessing.crop_pct == 0.95
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(pixels), model(pixels))


def test_texts_beside_it() -> None:
    """All of the text encoder but its last projection, whose length is that of the features."""
    donor = tiny_classifier(VIT).backbone.model
    backbone = load_tower(ARCH, "random", 0, 64, TextTower(VIT, "random"))
    assert has_text(backbone.spec.arch)
    model = backbone.model
    assert model.text_projection.shape == (16, backbone.width)
    assert model.token_embedding.weight.shape == donor.token_embedding.weight.shape
    named = named_classifier(backbone, NAMES, ["plain"])
    assert named.head_from_text
    assert named.class_names == CLASSES
    assert float((named.head.weight[0] - named.head.weight[1]).detach().abs().max()) > 1e-4
