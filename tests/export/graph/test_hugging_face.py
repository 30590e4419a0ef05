"""The same model under the names of transformers."""

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from adapt.errors import ModelError
from adapt.export.graph.hugging_face import place, renamed, settings
from adapt.models.classifier import Classifier
from tests.helpers.tiny import RESNET, TIMM, VIT, tiny_classifier


@pytest.mark.parametrize("quick", [False, True])
def test_every_tensor_has_its_place_and_features_are_equal(quick: bool) -> None:
    own = tiny_classifier(VIT).backbone
    config = {**own.spec.config, "quick_gelu": quick}
    model = CLIPModel(CLIPConfig(**settings(config))).eval()
    state = renamed(own.model.state_dict())
    expected = {n: tuple(v.shape) for n, v in model.state_dict().items() if "position_ids" not in n}
    assert {n: tuple(v.shape) for n, v in state.items()} == expected
    if quick:
        assert model.config.vision_config.hidden_act == "quick_gelu"
        return
    model.load_state_dict(state, strict=False)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        theirs = model.get_image_features(pixel_values=pixels).pooler_output
        torch.testing.assert_close(theirs, own.model.encode_image(pixels), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("arch", "what"), [(RESNET, "a ResNet"), (TIMM, "timm_model_name")])
def test_architectures_that_it_lacks(arch: str, what: str) -> None:
    config = tiny_classifier(arch).backbone.spec.config
    with pytest.raises(ModelError, match=f"no such architecture - .*{what}"):
        settings(config)


def test_tensors_that_it_lacks() -> None:
    with pytest.raises(ModelError, match=r"no such tensor - visual\.attnpool\.c_proj\.weight"):
        place("visual.attnpool.c_proj.weight")
    with pytest.raises(ModelError, match="no such tensor"):
        place("visual.transformer.resblocks.0.ls_1.gamma")


def test_packed_attention_is_three_layers() -> None:
    assert place("transformer.resblocks.1.attn.in_proj_bias") == [
        f"text_model.encoder.layers.1.self_attn.{part}_proj.bias" for part in "qkv"
    ]


def test_the_embedded_model_is_one() -> None:
    own = Classifier.from_clip("adapt-icons-xs", "embedded", ["cat"]).backbone
    assert settings(own.spec.config)["vision_config"]["num_attention_heads"] == 3
