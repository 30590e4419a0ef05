"""Plain peft around plain transformers gives the features of the model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPModel

import adapt
from adapt.ensembling.line import mix
from adapt.errors import ModelError
from adapt.export.formats.peft import SETTINGS, WEIGHTS
from adapt.export.graph.hugging_face import renamed
from adapt.export.write import export
from adapt.models.adapters.lora import LoraSettings
from adapt.models.classifier import Classifier
from tests.helpers.exports import full, noise
from tests.helpers.tiny import moved
from tests.helpers.tuned import with_adapters


@pytest.fixture(scope="module")
def start() -> Classifier:
    return Classifier.from_clip("adapt-icons-xs", "embedded", ["cat", "dog", "tree"])


def adapted(start: Classifier, targets: list[str], encoder: str = "image") -> Classifier:
    """Random adapters, merged."""
    return with_adapters(start, LoraSettings(3, 9.0, True, 0.0, targets, encoder, []))


def plain(folder: Path, start: Classifier) -> Any:
    """What a user of peft writes, with the start's weights as transformers keeps them."""
    config = json.loads((folder / "open_clip_config.json").read_text())["clip_config"]
    model = CLIPModel(CLIPConfig(**config))
    missing = model.load_state_dict(renamed(start.backbone.model.state_dict()), strict=False)
    assert not missing.unexpected_keys
    assert all(name.endswith("position_ids") for name in missing.missing_keys)
    return PeftModel.from_pretrained(model, str(folder)).eval()


@pytest.mark.parametrize(
    ("targets", "encoder", "alpha"),
    [(["q", "k", "v", "o"], "image", 1.0), (["v", "mlp"], "both", 1.0), (["q"], "image", 0.4)],
)
def test_features_and_answers(
    targets: list[str], encoder: str, alpha: float, start: Classifier, tmp_path: Path
) -> None:
    model = mix(start, adapted(start, targets, encoder), alpha)
    folder = export(full(model), tmp_path / "out", "peft")
    images = noise(5)
    pixels = torch.stack([model.backbone.preprocessing(Image.fromarray(i)) for i in images])
    other = plain(folder, start)
    with torch.inference_mode():
        theirs = other.get_image_features(pixel_values=pixels).pooler_output
        ours = model.backbone.model.encode_image(pixels)
        tokens = torch.tensor([[49406, 320, 2368, 49407] + [0] * 28])
        texts = other.get_text_features(input_ids=tokens).pooler_output
        own_texts = model.backbone.model.encode_text(tokens)
    np.testing.assert_allclose(theirs.numpy(), ours.numpy(), atol=2e-5 * float(ours.abs().max()))
    np.testing.assert_allclose(
        texts.numpy(), own_texts.numpy(), atol=2e-5 * float(own_texts.abs().max())
    )
    start_features = start.backbone.model.encode_image(pixels).detach()
    assert float((start_features - ours).abs().max()) > 1e-3, "the adapter changes something"
    loaded = adapt.load(folder)
    for mine, given in zip(full(model).predict(images), loaded.predict(images), strict=True):
        assert (mine.label, mine.labels) == (given.label, given.labels)
        assert (mine.abstained, mine.unknown) == (given.abstained, given.unknown)
        assert mine.confidence == pytest.approx(given.confidence, abs=1e-4)


def test_what_is_in_the_folder(start: Classifier, tmp_path: Path) -> None:
    folder = export(mix(start, adapted(start, ["q", "o"]), 0.5), tmp_path / "out", "peft")
    settings = json.loads((folder / SETTINGS).read_text())
    assert settings["r"] == 3
    assert settings["lora_alpha"] / 3 == pytest.approx(0.5 * 9 / np.sqrt(3))
    assert "vision_model.encoder.layers.0.self_attn.q_proj" in settings["target_modules"]
    assert len(settings["target_modules"]) == 12
    tensors = load_file(folder / WEIGHTS)
    assert len(tensors) == 24
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1e6


def test_models_that_are_none(start: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="peft - no adapter"):
        export(start, tmp_path / "out", "peft")
    with pytest.raises(ModelError, match="peft - no adapter"):
        export(moved(start), tmp_path / "out", "peft")
    more = adapted(start, ["q"])
    with torch.no_grad():
        more.backbone.model.visual.proj[0, 0] += 1
    with pytest.raises(ModelError, match=r"visual\.proj - more than the adapter"):
        export(more, tmp_path / "out", "peft")
    assert not (tmp_path / "out").exists()
