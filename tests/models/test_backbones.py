"""Weights come from where they were asked for, or the error says what there is."""

import copy
import json
import socket
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import save, save_file

from adapt.errors import ModelError, WeightsError
from adapt.models import backbones
from adapt.models.backbones import (
    BackboneSpec,
    _forced_quick_gelu,
    _resolve,
    architectures,
    build_backbone,
    load_backbone,
    model_config,
    pretrained_tags,
    tokenizer_of,
)
from adapt.models.bundle.tensors import weights_hash
from adapt.models.classifier import Classifier
from adapt.models.weight_files import CONFIG
from tests.helpers.hub import add_repository, use_hub
from tests.helpers.tiny import CONFIGS, RESNET, TIMM, VIT, bit_equal, tiny_classifier

TEXTS = ["a photo of a red circle.", "x"]
OWN = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4], "interpolation": "bilinear"}


def pixels(size: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder of open_clip with a preprocessing of its own."""
    root = tmp_path / "clip"
    root.mkdir()
    model = tiny_classifier(seed=3).backbone.model
    save_file(model.state_dict(), root / "open_clip_model.safetensors")
    config = {"model_cfg": CONFIGS[VIT], "preprocess_cfg": OWN}
    (root / "open_clip_config.json").write_text(json.dumps(config))
    return root


@torch.no_grad()
def check_equal_to_saved(backbone: backbones.Backbone) -> None:
    saved = tiny_classifier(seed=3).backbone
    assert bit_equal(backbone.model.state_dict(), saved.model.state_dict())
    assert torch.equal(backbone.encode_image(pixels()), saved.encode_image(pixels()))
    assert torch.equal(backbone.encode_text(TEXTS), saved.encode_text(TEXTS))


@pytest.mark.parametrize(
    ("arch", "pretrained", "expected"),
    [
        ("ViT-B32", "openai", "model.arch - not known - 'ViT-B32', did you mean 'ViT-B-32'? - "),
        ("Vit-B-32", "random", "did you mean 'ViT-B-32'"),
        ("ViT-B-32", "openia", "not known for ViT-B-32 - 'openia', did you mean 'openai'? - "),
        ("ViT-B-32", "no/such.safetensors", "choose one of openai, laion400m_e31"),
        (VIT, "openai", "choose one of (none), or give a file or folder"),
    ],
)
def test_unknown_names(arch: str, pretrained: str, expected: str) -> None:
    with pytest.raises(ModelError) as caught:
        load_backbone(arch, pretrained)
    assert expected in str(caught.value)
    assert caught.value.exit_code == 2


def test_random_weights_come_from_their_seed_and_only_by_name() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (load_backbone(VIT, "random", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert bit_equal(first.model.state_dict(), again.model.state_dict())
    assert not torch.equal(first.model.visual.proj, other.model.visual.proj)
    for name in ("", "none", "None", "Random"):
        with pytest.raises(ModelError):
            load_backbone(VIT, name)


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_features_are_unit_and_as_wide_as_said(arch: str) -> None:
    backbone = load_backbone(arch, "random")
    side = backbone.preprocessing.size
    with torch.no_grad():
        images, texts = backbone.encode_image(pixels(side)), backbone.encode_text(TEXTS)
        direct = backbone.model.encode_text(open_clip.get_tokenizer(arch)(TEXTS))
    assert images.shape == texts.shape == (2, backbone.width) == (2, 24)
    for features in (images, texts):
        torch.testing.assert_close((features**2).sum(1), torch.ones(2))
    torch.testing.assert_close(texts, direct / (direct**2).sum(1, keepdim=True).sqrt())
    assert side == (160 if arch == TIMM else 32)


@pytest.mark.numerical
def test_texts_are_encoded_the_same_in_any_batch() -> None:
    backbone = load_backbone(VIT, "random")
    texts = [f"number {number}" for number in range(7)]
    with torch.no_grad():
        whole, parts = backbone.encode_text(texts), backbone.encode_text(texts, batch_size=3)
    torch.testing.assert_close(whole, parts)
    assert len(backbone.encode_text(["word " * 100])) == 1


@pytest.mark.numerical
def test_weights_file(tmp_path: Path) -> None:
    state = tiny_classifier(seed=3).backbone.model.state_dict()
    save_file(state, tmp_path / "w.safetensors")
    backbone = load_backbone(VIT, str(tmp_path / "w.safetensors"))
    check_equal_to_saved(backbone)
    assert backbone.spec.base_hash == weights_hash(state)
    assert backbone.spec.pretrained == str(tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"w.safetensors - cannot be used - it does not fit test-"):
        load_backbone(RESNET, str(tmp_path / "w.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelError, match=r"bad.safetensors - cannot be used - damaged"):
        load_backbone(VIT, str(tmp_path / "bad.safetensors"))
    state["logit_scale"] = torch.tensor(float("nan"))
    save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match="logit_scale has 1 values that are NaN") as caught:
        load_backbone(VIT, str(tmp_path / "nan.safetensors"))
    assert caught.value.exit_code == 4


def test_pickles_are_not_read(folder: Path) -> None:
    torch.save(tiny_classifier().backbone.model.state_dict(), folder / "w.pt")
    with pytest.raises(ModelError, match=r"w.pt - a pickle"):
        load_backbone(VIT, str(folder / "w.pt"))
    (folder / "open_clip_model.safetensors").unlink()
    (folder / "w.pt").rename(folder / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"open_clip_pytorch_model.bin - a pickle"):
        load_backbone(f"local-dir:{folder}", "-")


def test_model_folder(folder: Path) -> None:
    for arch, pretrained in ((f"local-dir:{folder}", "-"), (VIT, str(folder))):
        backbone = load_backbone(arch, pretrained)
        check_equal_to_saved(backbone)
        own = backbone.preprocessing
        assert (own.mean, own.std, own.interpolation, own.size) == (
            OWN["mean"],
            OWN["std"],
            "bilinear",
            32,
        )
        assert backbone.spec.config == CONFIGS[VIT]
    drawn = load_backbone(f"local-dir:{folder}", "random", seed=1)
    with pytest.raises(AssertionError):
        check_equal_to_saved(drawn)
    (folder / "open_clip_model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_backbone(f"local-dir:{folder}", "-")


def test_a_tag_is_not_taken_for_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("openai", "random"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert _resolve("ViT-B-32", "openai") == ("ViT-B-32", "openai", True)
    assert _resolve("ViT-B-32", "random") == ("ViT-B-32", None, False)
    assert _resolve("ViT-B-32", "./openai") == ("local-dir:openai", None, False)


def test_activation_follows_the_weights() -> None:
    assert _forced_quick_gelu("ViT-B-32", "openai") is True
    assert _forced_quick_gelu("ViT-B-32", "laion2b_s34b_b79k") is False
    assert _forced_quick_gelu("ViT-B-32-quickgelu", "openai") is False
    assert _resolve("ViT-B-32", "openai") == ("ViT-B-32", "openai", True)
    assert model_config("ViT-B-32", quick_gelu=True)["quick_gelu"] is True
    assert "quick_gelu" not in model_config("ViT-B-32")
    with pytest.raises(ModelError) as caught:
        _forced_quick_gelu("ViT-B-32-quickgelu", "laion2b_s34b_b79k")
    assert "use ViT-B-32" in str(caught.value)


def test_forced_activation_reaches_the_model_and_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tag trained with QuickGELU, its download replaced by a local file."""
    state = tiny_classifier(seed=3).backbone.model.state_dict()
    save_file(state, tmp_path / "w.safetensors")
    tag = {"quick_gelu": True, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, VIT, {"tagged": tag})
    local = str(tmp_path / "w.safetensors")
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: local)
    assert pretrained_tags(VIT) == ["tagged"]
    classifier = Classifier.from_clip(VIT, "tagged", ["cat", "dog"])
    assert classifier.backbone.spec.config["quick_gelu"] is True
    assert classifier.backbone.preprocessing.std == [0.25] * 3
    plain = load_backbone(VIT, local)
    with torch.no_grad():
        quick, usual = classifier.features(pixels()), plain.encode_image(pixels())
        loaded = Classifier.load(classifier.save(tmp_path / "model")).features(pixels())
    assert (quick - usual).abs().max() > 1e-4
    assert torch.equal(quick, loaded)
    mlp = classifier.backbone.model.visual.transformer.resblocks[0].mlp
    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(mlp.gelu(x), x / (1 + torch.exp(-1.702 * x)))


@pytest.fixture
def cache(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub that holds the model folder as `org/tiny`, and nothing else."""
    use_hub(tmp_path / "hub", monkeypatch)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return add_repository(tmp_path / "hub", "org/tiny", files)


def test_hub_model(cache: Path) -> None:
    backbone = load_backbone("hf-hub:org/tiny", "-")
    check_equal_to_saved(backbone)
    assert (backbone.spec.arch, backbone.preprocessing.mean) == ("hf-hub:org/tiny", OWN["mean"])


def test_a_broken_cache_of_the_hub_is_named(cache: Path) -> None:
    """Not the network, which has nothing to do with it."""
    weights = cache / "open_clip_model.safetensors"
    whole = weights.read_bytes()
    weights.resolve().write_bytes(whole[:-100])
    with pytest.raises(ModelError) as caught:
        load_backbone("hf-hub:org/tiny", "-")
    assert str(caught.value).startswith(f"{weights} - cannot be used - damaged")
    assert "network" not in str(caught.value)
    weights.resolve().write_bytes(save(tiny_classifier(RESNET).backbone.model.state_dict()))
    with pytest.raises(ModelError, match=r"open_clip_model.safetensors - cannot be used - it does"):
        load_backbone("hf-hub:org/tiny", "-")
    weights.resolve().write_bytes(whole)
    (cache / CONFIG).resolve().write_bytes(b"{")
    with pytest.raises(ModelError, match=r"open_clip_config.json - cannot be used - damaged"):
        load_backbone("hf-hub:org/tiny", "-")


def test_weights_of_the_hub_that_are_not_numbers_or_not_here(cache: Path) -> None:
    weights = cache / "open_clip_model.safetensors"
    state = tiny_classifier(seed=3).backbone.model.state_dict()
    state["visual.proj"][0, 0] = float("nan")
    weights.resolve().write_bytes(save(state))
    with pytest.raises(WeightsError, match=r"visual.proj has 1 values that are NaN"):
        load_backbone("hf-hub:org/tiny", "-")
    weights.unlink()
    with pytest.raises(ModelError, match="models--org--tiny: check the name and the network"):
        load_backbone("hf-hub:org/tiny", "-")
    with pytest.raises(ModelError, match="models--org--none: check the name and the network"):
        load_backbone("hf-hub:org/none", "-")
    torch.save(state, cache / "open_clip_pytorch_model.bin")
    with pytest.raises(ModelError, match=r"open_clip_pytorch_model.bin - a pickle"):
        load_backbone("hf-hub:org/tiny", "-")


def test_code_of_a_repository_is_not_run(folder: Path) -> None:
    """What a config may say is checked before open_clip reads it."""
    for section, change in (
        ("text_cfg", {"hf_tokenizer_name": "a/b", "tokenizer_kwargs": {"trust_remote_code": True}}),
        ("vision_cfg", {"timm_model_name": "hf-hub:a/b"}),
        ("vision_cfg", {"loader": "x"}),
    ):
        config = {"model_cfg": copy.deepcopy(CONFIGS[VIT]), "preprocess_cfg": OWN}
        config["model_cfg"][section] |= change
        (folder / CONFIG).write_text(json.dumps(config))
        with pytest.raises(ModelError, match="not on the list of what may be built"):
            load_backbone(f"local-dir:{folder}", "-")


def test_tokenizer_needs_no_registered_name() -> None:
    spec = BackboneSpec("name-of-another-machine", "-", CONFIGS[VIT], "")
    expected = open_clip.get_tokenizer(VIT)(TEXTS)
    assert expected.shape == (2, 16)
    assert torch.equal(tokenizer_of(spec)(TEXTS), expected)


@pytest.mark.numerical
@pytest.mark.parametrize("arch", [VIT, RESNET, TIMM])
def test_built_again_from_the_spec(arch: str) -> None:
    first = load_backbone(arch, "random", seed=4)
    config = json.loads(json.dumps(first.spec.config))
    again = build_backbone(first.spec, first.preprocessing, first.model.state_dict())
    side = first.preprocessing.size
    with torch.no_grad():
        assert torch.equal(first.encode_image(pixels(side)), again.encode_image(pixels(side)))
    assert first.spec.config == config, "building must not change the config"
    state = first.model.state_dict()
    state.pop("logit_scale")
    with pytest.raises(ModelError, match=r"(?s)do not fit .*logit_scale"):
        build_backbone(first.spec, first.preprocessing, state)


def test_weights_hash_sees_names_and_bytes() -> None:
    state = {"a": torch.arange(4.0), "b": torch.tensor(3)}
    known = weights_hash(state)
    assert weights_hash(dict(reversed(state.items()))) == known
    assert weights_hash({**state, "b": torch.tensor(4)}) != known
    assert weights_hash({"c": state["a"], "b": state["b"]}) != known
    assert weights_hash({**state, "a": torch.tensor([0.0, 1.0, 2.0, 3.0000002])}) != known


def test_every_listed_architecture_has_a_config() -> None:
    assert {VIT, RESNET, TIMM, "ViT-B-32", "RN50", "adapt-icons-xs"} <= set(architectures())


def test_loading_leaves_no_network_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What importing might do is watched in a process of its own, in tests/test_bundle.py."""

    def refuse(*_: Any) -> None:
        raise OSError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Classifier.from_clip("ViT-B-32", "random", ["cat"]).head.weight.shape == (1, 512)
