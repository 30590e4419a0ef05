"""The probe of an export is answered again by `verify`."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapt.errors import BundleError
from adapt.export.answers import GraphAnswers, answers_of
from adapt.export.parity import differences, problems, squares, verify_export
from adapt.export.record import Record
from adapt.export.write import export
from adapt.models.bundle.manifest import PROBE
from adapt.models.classifier import Classifier


def test_verify(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "lean")
    assert verify_export(folder).probabilities < 1e-6
    stored = load_file(folder / PROBE)
    stored["probabilities"][0, 0] += 0.01
    save_file(stored, folder / PROBE)
    record = Record.read  # the hash is checked first
    with pytest.raises(BundleError, match="altered"):
        record(folder)


def test_a_model_that_answers_otherwise_is_named(model: Classifier, tmp_path: Path) -> None:
    folder = export(model, tmp_path / "out", "lean")
    record = Record.read(folder)
    stored = load_file(folder / PROBE)
    stored["probabilities"][0, 0] += 0.01
    save_file(stored, folder / PROBE)
    (folder / "export.json").unlink()
    record.write(folder)
    with pytest.raises(BundleError, match=r"probabilities differ by 1\.0e-02"):
        verify_export(folder)
    del stored["features"]
    save_file(stored, folder / PROBE)
    (folder / "export.json").unlink()
    record.write(folder)
    with pytest.raises(BundleError, match="its probe cannot be answered"):
        verify_export(folder)


def test_differences(model: Classifier) -> None:
    wanted = answers_of(model, squares(model.backbone.preprocessing, 3))
    parts = {name: getattr(wanted, name).copy() for name in GraphAnswers.names()}
    parts["probabilities"][1, 2] += 2e-4
    parts["unknown"][0] ^= True
    case = differences(GraphAnswers(**parts), wanted) | {"batch": 3}
    assert case["largest_difference"]["probabilities"] == pytest.approx(2e-4)
    assert case["verdicts_that_differ"] == {"abstained": 0, "conformal_set": 0, "unknown": 1}
    said = list(problems(case, False))
    assert len(said) == 2
    assert "1 of unknown differ" in said[1]
    parts["conformal_set"][0] ^= True
    case = differences(GraphAnswers(**parts), wanted) | {"batch": 3}
    assert len(list(problems(case, True))) == 2
    assert len(list(problems(case, False))) == 3


def test_images_of_a_batch_differ(model: Classifier) -> None:
    images = squares(model.backbone.preprocessing, 8)
    pairs = [(a, b) for a in range(8) for b in range(a)]
    assert all(not np.array_equal(images[a], images[b]) for a, b in pairs)
