"""Several labels of an image: how tables say so, and the matrix that they become."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adapt.data.images import Images
from adapt.data.labels.label_sets import (
    LabelColumns,
    joined,
    label_columns,
    labels_said,
    target_matrix,
)
from adapt.errors import DataError
from tests.helpers.packed import image_bytes, write_folder

FILES = [f"{number}.png" for number in range(4)]
JOINED = pd.DataFrame({"path": FILES, "labels": ["cat|dog", "", "dog", " dog | cat "]})
MARKED = pd.DataFrame(
    {"path": FILES, "cat": [1, 0, 0, 1], "Dog": [1, 0, 1, 1], "age": [3, 4, 5, 6]}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path, [(name, image_bytes(n)) for n, name in enumerate(FILES)])


@pytest.mark.parametrize("form", ["frame", "csv", "parquet"])
@pytest.mark.parametrize("kind", ["joined", "marked", "auto"])
def test_both_ways_to_say_it(folder: Path, form: str, kind: str) -> None:
    frame = JOINED if kind == "joined" else MARKED
    how = {
        "joined": {"separator": "|"},
        "marked": {"columns": ["cat", "dog"]},
        "auto": {"columns": "auto"},
    }[kind]
    if form == "frame":
        images = Images.from_frame(frame, folder, **how)
    else:
        path = folder / f"t.{form}"
        _ = frame.to_csv(path, index=False) if form == "csv" else frame.to_parquet(path)
        images = Images.from_table(path, **how)
    by_name = dict(zip([Path(p).name for p in images.paths], images.label_sets or [], strict=True))
    assert by_name == {
        "0.png": ("cat", "dog"), "1.png": (), "2.png": ("dog",), "3.png": ("cat", "dog")
    }  # fmt: skip
    assert images.several_labels
    assert images.class_names == ["cat", "dog"]
    assert images.counts() == {"cat": 2, "dog": 3}
    assert sorted(images.labels) == ["", "cat|dog", "cat|dog", "dog"]
    targets = images.targets(["dog", "cat"])
    assert targets.dtype == np.float32
    assert targets.sum(0).tolist() == [3.0, 2.0]
    assert images.subset([0]).label_sets == [(images.label_sets or [])[0]]


@pytest.mark.parametrize(
    ("frame", "how", "told"),
    [
        (JOINED.rename(columns={"labels": "tags"}), {"separator": "|"}, "no column 'labels'"),
        (JOINED.assign(labels=["a||b", "a", "b", "a"]), {"separator": "|"}, "not a label"),
        (JOINED.assign(labels=["", "", "", ""]), {"separator": "|"}, "no labels"),
        (JOINED.assign(labels=["a|b;c", "c", "c", "c"]), {"separator": ";"}, "not a label"),
        (MARKED, {"columns": ["cat", "age"]}, "neither 0 nor 1"),
        (MARKED, {"columns": ["cow"]}, "no such column"),
        (JOINED, {"columns": "auto"}, "no columns of 0 and 1"),
        (JOINED, {"columns": "auto", "separator": "|"}, "not one of two"),
        (JOINED, {"separator": ""}, "empty"),
    ],
)
def test_what_is_refused(folder: Path, frame: pd.DataFrame, how: dict[str, str], told: str) -> None:
    with pytest.raises(DataError, match=told):
        Images.from_frame(frame, folder, **how)  # type: ignore[arg-type]


def test_small_parts() -> None:
    assert label_columns() is None
    assert label_columns(None, ["a"]) == LabelColumns(None, ("a",))
    assert joined(()) == ""
    with pytest.raises(DataError, match="unknown class - 'cow'"):
        target_matrix([("cow",)], ["cat"], ["1.png"])


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_option_without_a_column_is_no_auto(text: str) -> None:
    assert labels_said(None, " auto ") == LabelColumns(None, "auto")
    with pytest.raises(DataError, match="label_columns - empty"):
        labels_said(None, text)
