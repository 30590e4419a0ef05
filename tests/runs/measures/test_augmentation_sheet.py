"""The contact sheet: what the run stores is what training sees, and the report only shows it."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

import adapt
from adapt.common.seeds import sample_seed
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.image_data import ImageData
from adapt.report.content import build
from adapt.report.figures.style import (
    ReportFigure,
    as_inline_svg,
    as_png,
    as_svg,
    house_style,
)
from adapt.report.figures.training import contact_sheet
from adapt.report.record.read import Absent, RunRecord, read_run
from adapt.report.record.scores import ScoreTable
from adapt.report.write import render
from adapt.runs.measures.augmentation_sheet import write_views
from adapt.training.context import Context
from adapt.training.settings import Optim
from tests.helpers.report_fixture import make_run

OWN = Preprocessing(32, [0.4, 0.5, 0.6], [0.3, 0.2, 0.1])


def stored(folder: Path, name: str = "augmentation.json") -> dict[str, Any]:
    return json.loads((folder / name).read_text())


def test_tiles_are_what_training_sees(
    toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    context = replace(context, augmentation="standard", seed=4)
    assert write_views(tmp_path, adapt.method("full"), toy_data, OWN, context) == []
    sheet, card = np.asarray(Image.open(tmp_path / "augmentation.png")), stored(tmp_path)
    assert sheet.shape == (6 * 32, 6 * 32, 3)
    assert card["tile"] == 32
    assert card["labels"] == ["blue_square"] * 2 + ["green_cross"] * 2 + ["red_circle"] * 2
    augment = Augmentation("standard", OWN)
    for row, index in enumerate((2, 6, 10, 14, 18, 22)):
        image = toy_data.train.open(index)
        views = [augment(image, sample_seed(4, epoch, index)) for epoch in range(5)]
        for column, view in enumerate([OWN(image), *views]):
            pixels = view.numpy().transpose(1, 2, 0) * OWN.std + OWN.mean
            tile = sheet[32 * row : 32 * (row + 1), 32 * column : 32 * (column + 1)]
            np.testing.assert_allclose(tile, 255 * pixels, atol=0.51)


@pytest.mark.parametrize(
    ("method", "augmentation", "files"),
    [("zero_shot", "clip", 0), ("linear_probe", "clip", 0), ("full", "none", 0),
     ("visual_projection", "clip", 2)],
)  # fmt: skip
def test_sheet_only_where_views_are_trained_on(
    method: str,
    augmentation: str,
    files: int,
    toy_data: ImageData,
    context: Context,
    tmp_path: Path,
) -> None:
    few = ImageData(toy_data.train.subset([0, 8, 16]), None)
    own = replace(context, augmentation=augmentation)
    write_views(tmp_path, adapt.method(method), few, OWN, own)
    assert len(list(tmp_path.iterdir())) == files
    if files:
        assert Image.open(tmp_path / "augmentation.png").size == (6 * 32, 3 * 32)


def test_large_views_become_small_tiles(
    toy_data: ImageData, context: Context, tmp_path: Path
) -> None:
    large = Preprocessing(224, OWN.mean, OWN.std)
    flip = {"name": "HorizontalFlip", "p": 0.5}
    turn = {"name": "Rotate", "limit": [-9, 9], "interpolation": "linear", "p": 1}
    own = replace(context, augmentation=[flip, turn], balance="sqrt")
    method = adapt.method("full", optim=Optim(mixup=0.2, cutmix=1.0))
    (note,) = write_views(tmp_path, method, toy_data, large, own)
    assert note.endswith("RandomResizedCrop of 90 to 100 % of the area was put in front")
    assert Image.open(tmp_path / "augmentation.png").size == (6 * 96, 6 * 96)
    with house_style():
        sheet = contact_sheet(read(tmp_path))
    assert isinstance(sheet, ReportFigure)
    assert sheet.caption.startswith(
        "Augmentation own list: RandomResizedCrop (scale 0.9 to 1); HorizontalFlip (p 0.5); "
        "Rotate (limit -9 to 9, p 1)."
    )
    assert "mixup (alpha 0.2) and cutmix (alpha 1) join" in sheet.caption
    assert "Classes are sampled with the balance sqrt." in sheet.caption
    assert "was put in front." in sheet.caption


def read(folder: Path) -> RunRecord:
    return RunRecord(folder, ScoreTable({"models": {}}), augmentation=stored(folder))


def test_report_shows_the_sheet(toy_data: ImageData, context: Context, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", ["a", "b"])
    reason = "augmentation.json is absent: training sees the same views as evaluation"
    absent = contact_sheet(read_run(folder))
    assert isinstance(absent, Absent)
    assert absent.reason.startswith(reason)
    own = replace(context, augmentation="medical")
    write_views(folder, adapt.method("full"), toy_data, OWN, own)
    card = stored(folder)
    card["labels"][0] = '<b>"$x$"'
    (folder / "augmentation.json").write_text(json.dumps(card))
    with house_style():
        content = build(read_run(folder))
        names = [shown.name for shown in content.figures]
        images = {name: Markup("<!-- {} -->").format(name) for name in names}
        (sheet,) = [shown for shown in content.figures if shown.name == "augmentation"]
        first = as_svg(sheet.drawing)
        again = as_svg(contact_sheet(read_run(folder)).drawing)
        drawn = np.asarray(Image.open(io.BytesIO(as_png(sheet.drawing))).convert("RGB"))
    html, text = render(content, images, "html"), render(content, images, "md")
    assert re.search(r"<h3>What training sees</h3>\s*(<div[^>]*>)?\s*<!-- augmentation -->", html)
    assert re.search(r"!\[6 training images .*\]\(figures/augmentation.png\)", text)
    assert first == again, "the same files give the same drawing"
    assert "<b>" not in as_inline_svg(first, sheet)
    assert drawn.shape[0] > 700
    assert (drawn.std(axis=(0, 1)) > 10).all()


def test_damaged_files_are_said(toy_data: ImageData, context: Context, tmp_path: Path) -> None:
    own = replace(context, augmentation="clip")
    write_views(tmp_path, adapt.method("full"), toy_data, OWN, own)
    run = replace(read(tmp_path), augmentation=stored(tmp_path) | {"tile": 31})
    misfit = contact_sheet(run)
    assert isinstance(misfit, Absent)
    assert misfit.reason == "augmentation.json and augmentation.png do not fit together"
    (tmp_path / "augmentation.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    damaged = contact_sheet(run)
    assert isinstance(damaged, Absent)
    assert damaged.reason.startswith("augmentation.png cannot be read: ")
    absent = contact_sheet(replace(run, augmentation=None))
    assert absent == Absent("What training sees", run.reason("augmentation.json"))
