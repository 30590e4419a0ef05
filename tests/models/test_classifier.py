"""A classifier comes back from its bundle as it was saved."""

import copy
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save

from adapt.errors import BundleError, ModelError
from adapt.models.backbones import _tokenizer
from adapt.models.bundle.manifest import ENCODERS, HEAD
from adapt.models.classifier import Classifier, verify_bundle
from tests.helpers.bundles import forge, learned
from tests.helpers.hub import FAMILIES, add_family, fill_hub, use_hub
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, run_python, weights


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
    assert verify_bundle(tmp_path / "model").probabilities <= 1e-6


def test_weights_that_do_not_fit_with_the_right_hash(folder: Path) -> None:
    other = save({"weight": torch.zeros(3, 24)})
    forge(folder, HEAD, other)
    with pytest.raises(BundleError, match="do not fit the head"):
        Classifier.load(folder)
    forge(folder, ENCODERS, other)
    with pytest.raises(BundleError, match="do not fit"):
        Classifier.load(folder)


@pytest.mark.parametrize("part", ["model", "visual", "head", "whole"])
def test_a_compiled_model_comes_back(part: str, tmp_path: Path) -> None:
    plain = learned(VIT)
    given = plain.clone()
    if part == "head":
        given.head = torch.compile(given.head)
    elif part == "visual":
        given.backbone.model.visual = torch.compile(given.backbone.model.visual)
    elif part == "model":
        given.backbone.model = torch.compile(given.backbone.model)
    else:
        given = torch.compile(given)
    again = Classifier.load(given.save(tmp_path / "model"))
    assert bit_equal(weights(plain), weights(again))


def test_other_types_are_saved_as_float32(tmp_path: Path) -> None:
    half = learned(VIT).half()
    expected = {name: value.float() for name, value in weights(half).items()}
    assert bit_equal(expected, weights(Classifier.load(half.save(tmp_path / "model"))))


@pytest.mark.parametrize("value", [float("nan"), 3e38])
def test_a_model_without_numbers_does_not_predict(value: float) -> None:
    broken = learned(VIT)
    with torch.no_grad():
        broken.backbone.model.visual.proj.fill_(value)
    image = Image.new("RGB", (40, 40), "red")
    first, second = broken.predict([image, "no/such.png"])
    assert (first.label, first.confidence, first.top) == (None, 0.0, [])
    assert "NaN or infinite" in str(first.error)
    assert "no/such.png" in str(second.error)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fill_hub(tmp_path / "hub", tmp_path / "scratch", monkeypatch)
    return tmp_path / "hub"


@pytest.mark.slow
def test_every_family_comes_back_without_the_hub(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = {}
    for name in FAMILIES:
        saved[name] = Classifier.from_clip(f"hf-hub:org/{name}", "-", ["red cat", "dog"], ["{}"])
        saved[name].save(tmp_path / name)
    use_hub(tmp_path / "nothing", monkeypatch)
    _tokenizer.cache_clear()
    for name, first in saved.items():
        again = Classifier.load(tmp_path / name)
        assert again.backbone.spec == first.backbone.spec
        assert bit_equal(weights(first), weights(again)), name
        side = first.backbone.preprocessing.size
        with torch.no_grad():
            pixels, texts = torch.randn(2, 3, side, side), ["A photo, of a cat", "x"]
            assert torch.equal(first(pixels), again(pixels)), name
            assert torch.equal(
                first.backbone.encode_text(texts), again.backbone.encode_text(texts)
            ), name
            features = first.backbone.model.eval().encode_image(pixels)
        assert features.shape == (2, first.backbone.width)
    code = (
        "import sys\n"
        "from adapt.models.classifier import verify_bundle\n"
        "for folder in sys.argv[1:]: print(verify_bundle(folder).probabilities)\n"
    )
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = run_python(code, tmp_path, *(str(tmp_path / name) for name in FAMILIES)).split()
    assert len(found) == len(FAMILIES)
    assert max(map(float, found)) < 1e-5


def test_what_cannot_be_saved_is_refused_before_it_is_trained(hub: Path) -> None:
    masked = {"tokenizer_kwargs": {"reduction_mask": "simple"}}
    odd = {"siglip": {"tokenizer_mode": "clips"}, "custom": masked}
    for family, changes in odd.items():
        config = copy.deepcopy(FAMILIES[family])
        config["text_cfg"] |= changes
        add_family(hub, f"odd-{family}", config)
        with pytest.raises(ModelError, match=r"cannot be kept|not on the list"):
            Classifier.from_clip(f"hf-hub:org/odd-{family}", "-", ["cat"])
