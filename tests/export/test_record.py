"""`export.json` is read strictly, as everything that comes from elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import BundleError
from adapt.export.record import RECORD, Record
from adapt.export.write import export
from adapt.models.bundle.manifest import OWN_HASH, manifest_hash
from adapt.models.classifier import Classifier


@pytest.fixture
def folder(model: Classifier, tmp_path: Path) -> Path:
    return export(model, tmp_path / "out", "lean")


def change(folder: Path, edit: Callable[[dict[str, Any]], Any], rehash: bool = True) -> None:
    content = json.loads((folder / RECORD).read_text())
    edit(content)
    if rehash:
        content[OWN_HASH] = manifest_hash(content)
    (folder / RECORD).write_text(json.dumps(content))


def test_it_says_what_the_model_is(folder: Path, model: Classifier) -> None:
    record = Record.read(folder)
    assert (record.to, record.class_names) == ("lean", model.class_names)
    assert record.temperature == model.temperature
    preprocessing, uncertainty = record.parts()
    assert preprocessing == model.backbone.preprocessing
    assert uncertainty == model.uncertainty


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "version": (lambda c: c.update(format=3), "format not known - 3"),
    "type": (lambda c: c.update(temperature="1"), "temperature - not a number"),
    "key": (lambda c: c.update(code="x"), "fields missing or not known - code"),
    "missing": (lambda c: c.pop("info"), "fields missing or not known - info"),
    "threshold": (lambda c: c["uncertainty"].update(abstain_below=2.0), "out of range"),
    "size": (lambda c: c["preprocessing"].update(size=0), "preprocessing.size"),
    "outside": (lambda c: c["files"].update({"../x": "0"}), "outside of the folder - '../x'"),
    "absent": (lambda c: c["files"].update({"x": "0"}), "x - missing"),
}


@pytest.mark.parametrize("name", EDITS)
def test_what_is_refused(name: str, folder: Path) -> None:
    edit, message = EDITS[name]
    change(folder, edit)
    with pytest.raises(BundleError, match=message):
        Record.read(folder)


def test_it_is_tied_to_its_files(folder: Path) -> None:
    change(folder, lambda c: c.update(to="onnx"), rehash=False)
    with pytest.raises(BundleError, match="altered - its hash is another"):
        Record.read(folder)


@pytest.mark.parametrize("file", ["head.safetensors", "parity.json", "preprocess.py"])
def test_an_altered_file_is_named(file: str, folder: Path) -> None:
    (folder / file).write_bytes((folder / file).read_bytes() + b" ")
    with pytest.raises(BundleError, match=f"{file} - altered"):
        Record.read(folder)


def test_a_file_that_is_not_listed_is_refused(folder: Path) -> None:
    (folder / "more.py").write_text("print(1)")
    with pytest.raises(BundleError, match=r"more\.py - not a file of this bundle"):
        Record.read(folder)
