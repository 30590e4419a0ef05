"""Several labels on one image are told in every form of data."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapt.data.images import Images
from tests.helpers.packed import image_bytes, refused, write_folder

MULTI: dict[str, Any] = {
    "lists": pd.DataFrame({"path": ["a", "b"], "label": [["x", "y"], ["x"]]}),
    "joined": pd.DataFrame({"path": list("abcd"), "label": ["x|y", "x", "y", "y|x"]}),
    "semicolons": pd.DataFrame({"path": list("abcd"), "label": ["x; y", "x;z", "y;z", "x"]}),
    "text lists": pd.DataFrame({"path": list("ab"), "label": ["['x', 'y']", "['z']"]}),
    "one-hot": pd.DataFrame({"path": list("ab"), "cat": [0, 1], "dog": [1, 1], "age": [3, 4]}),
    "booleans": pd.DataFrame({"path": list("ab"), "cat": [True, True], "dog": [False, True]}),
    "twice": pd.DataFrame({"path": list("aab"), "label": ["x", "y", "x"]}),
}


@pytest.mark.parametrize("name", MULTI)
@pytest.mark.parametrize("form", ["frame", "csv", "parquet"])
def test_multi_label_tables(tmp_path: Path, name: str, form: str) -> None:
    frame, path = MULTI[name], tmp_path / f"t.{form}"
    if form == "frame":
        message = refused(Images.from_frame, frame, tmp_path)
    else:
        _ = frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
        message = refused(Images.from_table, path)
    assert "one label per image is expected here" in message
    assert ("listed twice" if name == "twice" else "several labels for one image") in message


def test_labels_that_only_look_joined(tmp_path: Path) -> None:
    root = write_folder(tmp_path, [(f"{i}.png", image_bytes(i)) for i in range(6)])
    labels = ["salt, pepper", "salt, pepper", "tench, Tinca tinca", "maillot",
              "maillot, tank suit", "a|b"]  # fmt: skip
    frame = pd.DataFrame({"path": [f"{i}.png" for i in range(6)], "label": labels})
    assert sorted(Images.from_frame(frame, root).labels) == sorted(labels)
    once = pd.DataFrame({"path": ["0.png", "0.png"], "label": ["x", "x"]})
    assert refused(Images.from_frame, once, root).endswith("keep one row")
