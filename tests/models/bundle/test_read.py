"""What is missing, altered, damaged or too much in a bundle is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.errors import BundleError
from adapt.models.bundle.manifest import CONFIG, ENCODERS, FILES, HEAD
from adapt.models.classifier import Classifier, verify_bundle
from tests.helpers.bundles import edit_json, edit_tensors, forge

State = dict[str, torch.Tensor]


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte(name: str, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    for read in (Classifier.load, verify_bundle):
        with pytest.raises(BundleError) as caught:
            read(folder)
        assert caught.value.exit_code == 4
        assert str(caught.value).startswith(f"{folder / name} - altered - ")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} - missing - "):
        Classifier.load(folder)


def test_a_file_too_many(folder: Path) -> None:
    (folder / ".99.part").mkdir()
    Classifier.load(folder)  # what a killed save leaves is not looked at
    for name in ("README.md", "model.bin", "tokenizer.json"):
        (folder / name).write_text("{}")
        with pytest.raises(BundleError, match=f"{name} - not a file of this bundle"):
            Classifier.load(folder)
        (folder / name).unlink()
    (folder / "more").mkdir()
    with pytest.raises(BundleError, match="more - not a file of this bundle"):
        Classifier.load(folder)


def test_a_link(folder: Path, tmp_path: Path) -> None:
    (folder / HEAD).rename(tmp_path / "elsewhere")
    (folder / HEAD).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="not a plain file"):
        Classifier.load(folder)


def test_damaged_weights_with_the_right_hash(folder: Path) -> None:
    whole = (folder / ENCODERS).read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff" * 64, b""):
        forge(folder, ENCODERS, content)
        with pytest.raises(BundleError, match="damaged weights"):
            Classifier.load(folder)


def in_model(section: str, **values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda config: config["model_cfg"][section].update(values)


def in_preprocessing(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda config: config["preprocess_cfg"].update(values)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c.update(more={}), "not model_cfg and preprocess_cfg"),
        (lambda c: c.pop("model_cfg"), "not model_cfg and preprocess_cfg"),
        (in_preprocessing(size=48), "size - not what the model reads"),
        (in_preprocessing(size="32"), "size - not a whole number"),
        (in_preprocessing(mean=[1, "2", 3]), "mean.1 - not a number"),
        (in_preprocessing(mean=[1, 2]), "preprocessing.mean - out of range"),
        (in_preprocessing(std=[0, 1, 1]), "preprocessing.std - out of range"),
        (in_preprocessing(loader="x"), "other keys"),
        (in_preprocessing(interpolation="random"), "interpolation"),
        (lambda c: c["model_cfg"].update(embed_dim=32), "do not fit"),
        (in_model("vision_cfg", width=4096), "do not fit"),
        (in_model("vision_cfg", layers=3), "do not fit"),
        (in_model("vision_cfg", width=40), "parts do not match"),
        (in_model("vision_cfg", timm_model_name="hf-hub:a/b"), "not on the list"),
        (in_model("vision_cfg", timm_model_name="no_such_model"), "cannot be built"),
        (in_model("text_cfg", hf_model_name="a/b"), "not on the list"),
        (in_model("text_cfg", hf_model_name="text_model.json"), "text_model.json - does not fit"),
        (in_model("text_cfg", hf_tokenizer_name="tokenizer.json"), "tokenizer.json - does not fit"),
    ],
)
def test_config(change: Callable[[dict[str, Any]], Any], expected: str, folder: Path) -> None:
    edit_json(folder, CONFIG, change)
    with pytest.raises(BundleError) as caught:
        Classifier.load(folder)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize("name", [ENCODERS, HEAD])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.update(more=torch.zeros(2)), "more: float32 (2,), expected none"),
        (lambda s: s.pop(min(s)), "missing, expected"),
        (lambda s: s.update({min(s): s[min(s)].half()}), "float16"),
        (lambda s: s.update({min(s): torch.zeros(7)}), "float32 (7,), expected"),
        (lambda s: s[min(s)].view(-1)[:1].fill_(float("nan")), "NaN or infinite"),
    ],
)
def test_tensors(name: str, change: Callable[[State], Any], expected: str, folder: Path) -> None:
    edit_tensors(folder, name, change)
    with pytest.raises(BundleError) as caught:
        Classifier.load(folder)
    assert expected in str(caught.value)
