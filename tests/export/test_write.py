"""Exports are whole and proven, or absent."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.data.sources.image_list import ImageList
from adapt.errors import BundleError, MissingExtraError, RecipeError
from adapt.export import base
from adapt.export.base import FORMATS, Format
from adapt.export.formats import lean
from adapt.export.load import load
from adapt.export.record import Record
from adapt.export.write import export
from adapt.models.classifier import Classifier
from adapt.models.prediction.labelling import SeveralLabels
from tests.helpers.exports import noise


def test_files_and_parity(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "new" / "lean", "lean", {"alpha": 0.8})
    parity = json.loads((folder / "parity.json").read_text())
    assert [case["batch"] for case in parity["cases"]] == [1, 1, 1, 1, 1, 3, 8]
    assert all(case["top1"] == 1 for case in parity["cases"])
    assert Record.read(folder).info == {"alpha": 0.8}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lean"]


def test_what_answers_otherwise_leaves_nothing_behind(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worse(classifier: Classifier, folder: Path) -> None:
        other = classifier.clone()
        with torch.no_grad():
            other.head.bias[0] += 0.01
        lean.write(other, folder)

    table = {**FORMATS.table(), "lean": Format("worse", worse, lean.read)}
    monkeypatch.setattr(FORMATS, "table", lambda: table)
    with pytest.raises(BundleError, match="other answers than the model - probabilities differ"):
        export(model, tmp_path / "out", "lean")
    assert not list(tmp_path.iterdir())


def test_refusals(model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="'onx', did you mean 'onnx'"):
        export(model, tmp_path / "out", "onx")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    with pytest.raises(RecipeError, match="exists - it would be overwritten"):
        export(model, tmp_path / "full", "lean")
    assert (tmp_path / "full" / "a.txt").read_text() == "mine"

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(base, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'adapt-clip\[onnx\]'"):
        export(model, tmp_path / "out", "onnx")
    assert not (tmp_path / "out").exists()


def test_a_format_is_one_file() -> None:
    files = {path.stem for path in Path(lean.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == {"hub", "lean", "onnx", "open_clip", "peft", "torch_program"}
    assert set(FORMATS.table()) == {"hub", "lean", "onnx", "open_clip", "peft", "torch"}


def test_an_empty_folder_is_filled(model: Classifier, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    folder = export(model, tmp_path / "out", "lean")
    images = noise(4)
    assert [x.label for x in load(folder).predict(images)] == [
        x.label for x in model.predict(images)
    ]


@pytest.fixture(scope="module")
def several(model: Classifier) -> Classifier:
    count = len(model.class_names)
    negations = [[f"no {name}"] for name in model.class_names]
    offsets, thresholds = (
        [0.3 * k - 0.2 for k in range(count)],
        [0.2 + 0.2 * k for k in range(count)],
    )
    plain = model.with_uncertainty(None)
    return plain.with_labelling(SeveralLabels(negations, tuple(offsets), tuple(thresholds)))


@pytest.mark.parametrize(
    "to",
    ["lean", "open_clip", *(pytest.param(to, marks=pytest.mark.slow) for to in ("torch", "onnx"))],
)
def test_several_labels(to: str, several: Classifier, tmp_path: Path) -> None:
    """Probabilities of each class by itself, and the labels above their thresholds."""
    folder = export(several, tmp_path / "out", to)
    assert Record.read(folder).labelling == several.labelling
    opened, images = load(folder, trust=True), noise(6)
    for given, wanted in zip(opened.predict(images), several.predict(images), strict=True):
        assert (given.label, given.labels) == (wanted.label, wanted.labels)
        for (name, p), (other, q) in zip(given.top, wanted.top, strict=True):
            assert name == other
            assert p == pytest.approx(q, abs=1e-4)
    content = json.loads((folder / "export.json").read_text())
    assert content["format"] == 2
    assert content["several_labels"]["thresholds"] == list(
        several.labelling.thresholds_of_classes or []
    )


def test_eight_bits_need_images_of_the_same_kind(several: Classifier, tmp_path: Path) -> None:
    images = ImageList(["a.png"], ["cat"], None, None, ".", {})
    with pytest.raises(RecipeError, match="it gives several labels per image"):
        export(several, tmp_path / "out", "onnx", int8=images)
    assert not (tmp_path / "out").exists()


def test_the_record_of_one_label_is_as_ever(model: Classifier, tmp_path: Path) -> None:
    content = json.loads((export(model, tmp_path / "out", "lean") / "export.json").read_text())
    assert content["format"] == 1
    assert "several_labels" not in content
