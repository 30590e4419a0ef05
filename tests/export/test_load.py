"""One door: `adapt.load` and `adapt verify` know both kinds of folder."""

from pathlib import Path

import pytest

import adapt
from adapt.errors import BundleError
from adapt.export.load import is_export, place_of, verify
from adapt.export.opened import ExportedClassifier
from adapt.export.write import export
from adapt.models.classifier import Classifier
from tests.helpers.exports import noise


def test_both_kinds(model: Classifier, tmp_path: Path) -> None:
    bundle, exported = model.save(tmp_path / "bundle"), export(model, tmp_path / "lean", "lean")
    assert not is_export(bundle)
    assert is_export(exported)
    first, second = adapt.load(bundle), adapt.load(exported)
    assert isinstance(first, Classifier)
    assert isinstance(second, ExportedClassifier)
    for mine, other in zip(first.predict(noise(8)), second.predict(noise(8)), strict=True):
        assert (mine.label, mine.labels) == (other.label, other.labels)
        assert (mine.abstained, mine.unknown) == (other.abstained, other.unknown)
        assert mine.confidence == pytest.approx(other.confidence, abs=1e-5)
    assert verify(bundle).probabilities < 1e-5
    assert verify(exported).probabilities < 1e-5


def test_neither(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a bundle"):
        adapt.load(tmp_path)


def test_exports_compute_on_the_cpu_and_what_stands_beside_them_too(
    model: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(model, tmp_path / "export", "lean")
    monkeypatch.setattr("adapt.export.load.resolve_accelerator", lambda device, name: f"a {device}")
    assert place_of("auto", tmp_path / "bundle", tmp_path / "export") == "cpu"
    assert place_of("auto", tmp_path / "bundle") == "a auto"
    assert place_of("cuda", tmp_path / "export") == "a cuda"
