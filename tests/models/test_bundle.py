"""A bundle gives the same model back, in any process, or says what is wrong with it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import adapt
from adapt.common.content import content_hash
from adapt.errors import BundleError
from adapt.models import bundle
from adapt.models.classifier import Classifier, probe_error
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, run_python, tiny_classifier, weights


def learned(arch: str) -> Classifier:
    """A classifier in which nothing has its usual value."""
    classifier = tiny_classifier(arch, ["zebra", "été/1", "a b"], seed=2)
    classifier.head_from_text, classifier.temperature = False, 1.7
    with torch.no_grad():
        classifier.head.bias.copy_(torch.tensor([0.5, -1.0, 2.0]))
        classifier.head.weight.add_(0.1)
    return classifier


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return learned(VIT).save(tmp_path / "deep" / "model", {"alpha": 0.3})


def forge(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash in the manifest."""
    (folder / name).write_bytes(content)
    edit(folder, lambda m: m["files"].update({name: content_hash(folder / name)}))


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    change(manifest)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))


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


def test_a_fresh_process_gives_the_probe_logits(folder: Path, tmp_path: Path) -> None:
    """It knows neither the architecture's name nor the folder the weights came from."""
    code = (
        "import sys, torch\n"
        "from safetensors.torch import load_file\n"
        "from adapt.models.classifier import Classifier\n"
        "classifier = Classifier.load(sys.argv[1])\n"
        "probe = load_file(sys.argv[1] + '/probe.safetensors')\n"
        "with torch.no_grad():\n"
        "    print(float((classifier(probe['pixels']) - probe['logits']).abs().max()))\n"
        "    print(float(classifier.rebuild_head().head.weight.double().sum()))\n"
    )
    difference, total = map(float, run_python(code, tmp_path, str(folder)).split())
    assert difference <= 1e-6
    expected = learned(VIT).rebuild_head().head.weight.detach().double().sum()
    assert total == pytest.approx(float(expected))
    probe = load_file(folder / bundle.PROBE)
    assert probe["pixels"].shape == (4, 3, 32, 32)
    assert probe["logits"].std(0).min() > 1e-4, "the probe must tell models apart"


def test_files(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*bundle.FILES, bundle.MANIFEST])
    for path in folder.iterdir():
        start = path.read_bytes()[:64]
        if path.suffix == ".json":
            assert isinstance(json.loads(path.read_text(encoding="utf-8")), dict)
        else:
            length = int.from_bytes(start[:8], "little")
            assert json.loads(path.read_bytes()[8 : 8 + length]), "a safetensors header is JSON"
        assert not start.startswith((b"PK", b"\x80"))
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    assert manifest["info"] == {"alpha": 0.3}
    assert (manifest["format"], manifest["adapt"]) == (1, adapt.__version__)


@pytest.mark.parametrize("name", bundle.FILES)
def test_one_altered_byte(name: str, folder: Path) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    for read in (Classifier.load, probe_error):
        with pytest.raises(BundleError) as caught:
            read(folder)
        assert caught.value.exit_code == 4
        assert str(caught.value).startswith(f"{folder / name} - altered - ")


@pytest.mark.parametrize("name", bundle.FILES)
def test_a_missing_file(name: str, folder: Path) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name} - missing - "):
        Classifier.load(folder)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(format=2), "format not known - 2, this version reads 1 - install"),
        (lambda m: m.pop("format"), "format not known - None"),
        (lambda m: m.pop("arch"), "not whole - arch missing"),
        (lambda m: m.pop("files"), "not whole - files missing"),
        (lambda m: m.update(class_names=["a"]), "class"),
        (lambda m: m.update(files=[]), "not whole"),
    ],
)
def test_manifest(change: Callable[[dict[str, Any]], Any], expected: str, folder: Path) -> None:
    edit(folder, change)
    with pytest.raises(BundleError) as caught:
        Classifier.load(folder)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(folder))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe", b""])
def test_manifest_that_is_no_mapping(content: bytes, folder: Path) -> None:
    (folder / bundle.MANIFEST).write_bytes(content)
    with pytest.raises(BundleError, match=r"not JSON|not a mapping"):
        Classifier.load(folder)


def test_damaged_weights_with_the_right_hash(folder: Path) -> None:
    whole = (folder / bundle.ENCODERS).read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff" * 64, b""):
        forge(folder, bundle.ENCODERS, content)
        with pytest.raises(BundleError, match="damaged weights"):
            Classifier.load(folder)


def test_weights_that_do_not_fit_with_the_right_hash(folder: Path) -> None:
    save_file({"weight": torch.zeros(3, 24)}, folder / "other.safetensors")
    forge(folder, bundle.HEAD, (folder / "other.safetensors").read_bytes())
    with pytest.raises(BundleError, match="bias"):
        Classifier.load(folder)
    forge(folder, bundle.ENCODERS, (folder / "other.safetensors").read_bytes())
    with pytest.raises(BundleError, match="do not fit"):
        Classifier.load(folder)


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"not a bundle - there is no classifier\.json"):
        Classifier.load(tmp_path)


def test_a_failed_save_leaves_the_bundle_before_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(state: Any, path: Path, **_: Any) -> None:
        if "head" in Path(path).name:
            raise OSError(28, "No space left on device")
        save_file(state, path)

    before = weights(Classifier.load(folder))
    monkeypatch.setattr(bundle, "save_file", full)
    with pytest.raises(BundleError, match="cannot be written"):
        tiny_classifier(seed=9).save(folder)
    assert bit_equal(before, weights(Classifier.load(folder)))
    assert len(list(folder.iterdir())) == 5, "nothing half-written stays"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError) as caught:
        tiny_classifier().save(tmp_path / "file" / "model")
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'model'} - cannot be written - ")


def test_saving_over_a_bundle_replaces_it(folder: Path) -> None:
    other = tiny_classifier(seed=9)
    other.save(folder)
    assert bit_equal(weights(other), weights(Classifier.load(folder)))


def test_probe_error_notices_other_weights(folder: Path) -> None:
    probe = load_file(folder / bundle.PROBE)
    save_file({**probe, "logits": probe["logits"] + 0.25}, folder / "p.safetensors")
    forge(folder, bundle.PROBE, (folder / "p.safetensors").read_bytes())
    assert math.isclose(probe_error(folder), 0.25, rel_tol=1e-3)
