"""Parquet: rows in groups, each once."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.predictions.outputs import parquet
from adapt.predictions.outputs.base import TABLES


@pytest.mark.parametrize(("rows", "groups"), [(0, [0]), (2, [2]), (3, [3, 0]), (7, [3, 3, 1])])
def test_groups(
    rows: int, groups: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS", 3)
    given = [{"path": f"{n}\udce9.png", "confidence": n / 7 or None} for n in range(rows)]
    with TABLES.table()["parquet"](tmp_path / "a.parquet", ["path", "confidence"]) as add:
        for row in given:
            add(row)
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        table = file.read().to_pylist()
    assert [size for size in sizes if size] == [size for size in groups if size]
    assert table == [{**row, "path": f"{n}\\udce9.png"} for n, row in enumerate(given)]


def test_kinds_of_cells(tmp_path: Path) -> None:
    columns = ["path", "confidence", "top12", "abstained", "set", "unknown", "error"]
    top = [{"label": "n\udce9", "probability": 2 / 3}, {"label": "dog", "probability": 0.25}]
    with TABLES.table()["parquet"](tmp_path / "a.parquet", columns) as add:
        add({"path": "a", "confidence": 2 / 3, "top12": top, "abstained": False, "set": ["dog"],
             "unknown": True, "error": None})  # fmt: skip
        add(dict.fromkeys(columns) | {"path": "b", "error": "empty file"})
    table = pq.read_table(tmp_path / "a.parquet")
    pair = pa.struct([("label", pa.string()), ("probability", pa.float64())])
    assert table.schema.types == [
        pa.string(), pa.float64(), pa.list_(pair), pa.bool_(), pa.list_(pa.string()), pa.bool_(),
        pa.string(),
    ]  # fmt: skip
    first, second = table.to_pylist()
    escaped = [{"label": "n\\udce9", "probability": 2 / 3}, top[1]]
    assert first["top12"] == escaped
    assert (first["abstained"], first["set"], first["unknown"]) == (False, ["dog"], True)
    assert second == dict.fromkeys(columns) | {"path": "b", "error": "empty file"}
