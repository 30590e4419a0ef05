"""Parquet: rows in groups, each once."""

from pathlib import Path

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
