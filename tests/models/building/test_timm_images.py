"""What is taken from timm equals timm's own."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from adapt.errors import ModelError
from adapt.export.graph.resize import resized
from adapt.models.building.timm_images import describe, has_text, of_timm


@pytest.mark.parametrize(
    "name", ["resnet50", "resnetv2_50x1_bit", "efficientnet_b0", "test_resnet"]
)
def test_preprocessing_equals_the_transform_of_timm(name: str) -> None:
    model = timm.create_model(name, pretrained=False, num_classes=0)
    transform = create_transform(**resolve_model_data_config(model))
    vision, own, width = describe(f"timm/{name}")
    assert vision["timm_model_name"] == name
    assert width == model.num_features
    random = np.random.default_rng(0)
    for shape in ((260, 400, 3), (300, 231, 3), (120, 90, 3)):
        pixels = random.integers(0, 256, shape, dtype=np.uint8)
        image = Image.fromarray(pixels)
        torch.testing.assert_close(own(image), transform(image), rtol=0, atol=1e-6)
        whole = np.asarray(own.pixels(image), np.float64)
        graph = resized(torch.from_numpy(pixels)[None], own)[0].numpy()
        assert (graph == whole).all(), "an exported graph cuts the same centre"


def test_tags_and_sizes() -> None:
    assert describe("timm/resnet50.tv_in1k")[1].interpolation == "bilinear"
    _, small, _ = describe("timm/resnet50", 64)
    assert (small.size, small.shorter) == (64, 67)
    assert of_timm("timm/resnet50")
    assert has_text("timm/resnet50+ViT-B-32")
    with pytest.raises(ModelError, match=r"not a model of timm - 'timm/resnet5', did you mean"):
        describe("timm/resnet5")
    with pytest.raises(ModelError, match=r"no such weights in timm .* tv_in1k"):
        describe("timm/resnet50.mine")
    with pytest.raises(ModelError, match="reads one size"):
        describe("timm/vit_tiny_patch16_224", 64)
