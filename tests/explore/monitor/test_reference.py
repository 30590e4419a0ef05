"""Statistics of labelled images that are given later."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from adapt.data.sources.folders import from_folder
from adapt.errors import DataError
from adapt.explore.monitor.reference import reference_of_folder
from adapt.models.classifier import Classifier
from adapt.predictions.opening import open_model


def test_of_a_folder_without_a_line(start: Classifier, toy_root: Path, tmp_path: Path) -> None:
    opened = open_model(start.with_temperature(0.5).save(tmp_path / "model"), "cpu")
    made = reference_of_folder(toy_root / "val", opened, None)
    images = from_folder(toy_root / "val")
    rows = opened.loaded.predict(images.paths)
    np.testing.assert_allclose(made.confidences, [row.confidence for row in rows], atol=1e-5)
    assert made.source == str(toy_root / "val")
    assert made.accuracy == np.mean(
        [row.label == label for row, label in zip(rows, images.labels, strict=True)]
    )
    assert (made.temperature, made.alphas, len(made.features)) == (0.5, [], 12)
    whole = reference_of_folder(toy_root, opened, None)
    assert whole.images == 12, "val of several splits"


def test_no_held_out_images(start: Classifier, toy_root: Path, tmp_path: Path) -> None:
    opened = open_model(start.save(tmp_path / "model"), "cpu")
    rows = ["path,label,split"]
    for split in ("train", "extra"):
        images = from_folder(Path(shutil.copytree(toy_root / "val", tmp_path / split)))
        rows += [f"{split}/{images.relative(0)},{images.labels[0]},{split}"]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(DataError, match="no held-out images - its splits are train, extra"):
        reference_of_folder(tmp_path / "labels.csv", opened, None)
