"""Folders and tables: the same images by name, junk left out, traps refused by exact place."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from adapt.common.content import content_hash
from adapt.data.shifts.shift import Shift, apply_shift, shift_seed
from adapt.data.sources.folders import from_folder
from adapt.data.sources.tables import from_frame, from_table
from tests.helpers.packed import refused, relatives


def test_import_needs_no_torch() -> None:
    code = "import adapt.data.sources.image_list, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_subset_and_shift(root: Path) -> None:
    images = from_folder(root)
    part = images.subset(np.array([3, 0]))
    assert relatives(part) == ["dog/b.png", "cat/10.png"]
    assert "no images" in refused(images.subset, [])
    shifted = images.with_shift(Shift("gaussian_noise", 3))
    expected = apply_shift(
        np.asarray(images.open(1)), "gaussian_noise", 3, shift_seed(content_hash(images.paths[1]))
    )
    np.testing.assert_array_equal(np.asarray(shifted.open(1)), expected)
    assert (expected != np.asarray(images.open(1))).any()
    moved = shifted.subset([1])
    np.testing.assert_array_equal(np.asarray(moved.open(0)), expected)
    assert images.shift is None


def test_other_columns_travel_with_their_images(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"{name}.png")
    table = tmp_path / "t.csv"
    table.write_text("path,label,Light,weight\nb.png,cup,night,1.5\na.png,cup,day,\nc.png,jug,,2\n")
    images = from_table(table)
    assert [Path(path).stem for path in images.paths] == ["a", "b", "c"]
    assert images.columns == {"light": ["day", "night", ""], "weight": ["", "1.5", "2"]}
    assert images.subset([1]).columns == {"light": ["night"], "weight": ["1.5"]}
    frame = pd.DataFrame(
        {
            "path": ["b.png", "a.png"],
            "label": ["cup", "cup"],
            "light": ["night", None],
            "weight": [1.5, float("nan")],
            "box": [[1, 2], [3, 4]],
        }
    )
    assert from_frame(frame, tmp_path).columns == {"light": ["", "night"], "weight": ["", "1.5"]}
