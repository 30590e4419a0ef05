"""What training saw, and how it went."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt.report.figures.training import contact_sheet, learning
from adapt.report.record.read import Absent, RunRecord
from tests.helpers.report_fixture import figure_of, make_scores, record


def test_curves_are_the_log(run: RunRecord) -> None:
    loss, accuracy, rate = figure_of(learning(run)).drawing.axes
    for axes, columns in (
        (loss, ("train_loss", "val_loss")), (accuracy, ("val_accuracy",)), (rate, ("lr",)),
    ):  # fmt: skip
        for line, column in zip(axes.lines, columns, strict=True):
            rows = [row for row in run.log or [] if row[column]]
            assert list(line.get_xdata()) == [float(row["step"]) for row in rows]
            assert list(line.get_ydata()) == [float(row[column]) for row in rows]


def test_a_log_without_known_columns_is_absent(run: RunRecord) -> None:
    other = replace(run, log=[{"step": "1", "other": "2"}])
    reason = "metrics.csv holds nothing that could be shown here"
    assert learning(other) == Absent("Learning curves", reason)


def test_the_sheet_has_every_tile(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "augmentation.png")
    card = {"tile": 8, "labels": ["cat", "dog"], "policy": "flip", "steps": [{"name": "Flip"}]}
    run = replace(record(make_scores(), augmentation=card), folder=tmp_path)
    (axes,) = figure_of(contact_sheet(run)).drawing.axes
    shown = np.asarray(axes.images[0].get_array())
    for row in range(2):
        for column in range(3):
            tile = shown[1 + 9 * row :, 1 + 9 * column :][:8, :8, :3]
            assert (tile == pixels[8 * row :, 8 * column :][:8, :8]).all()


@pytest.mark.parametrize("tile", [5, 0, None])
def test_a_card_of_another_sheet_is_refused(tmp_path: Path, tile: int | None) -> None:
    Image.new("RGB", (24, 16)).save(tmp_path / "augmentation.png")
    card = {"tile": tile, "labels": ["cat", "dog"]}
    run = replace(record(make_scores(), augmentation=card), folder=tmp_path)
    reason = "augmentation.json and augmentation.png do not fit together"
    assert contact_sheet(run) == Absent("What training sees", reason)
