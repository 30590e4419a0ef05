"""Images inside Parquet tables, in the two forms that hubs store."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.predictions.inputs.base import Reading
from adapt.predictions.inputs.packed import ROWS, has_images


def test_bytes_and_structs(tmp_path: Path) -> None:
    contents = [str(number).encode() for number in range(ROWS + 2)]
    pq.write_table(pa.table({"image": contents}), tmp_path / "bare.parquet")
    cells = [{"bytes": content, "path": f"{content.decode()}.jpg"} for content in contents]
    cells[1]["bytes"] = None
    pq.write_table(pa.table({"label": contents, "image": cells}), tmp_path / "hub.parquet")
    named = pa.table({"path": ["x/y.jpg"], "image": [b"z"]})
    pq.write_table(named, tmp_path / "named.parquet")
    bare = Reading(str(tmp_path / "bare.parquet"))
    items = [item.load() for item in bare.items()]
    assert [item.image for item in items] == contents
    assert items[-1].name == f"{tmp_path}/bare.parquet/row {ROWS + 1}"
    assert bare.count() == ROWS + 2
    hub = [item.load() for item in Reading(str(tmp_path / "hub.parquet")).items()]
    assert hub[2] == type(hub[2])(f"{tmp_path}/hub.parquet/2.jpg", b"2")
    assert hub[1].problem is not None
    assert hub[1].problem.reason == "no image"
    (only,) = (item.load() for item in Reading(str(tmp_path / "named.parquet")).items())
    assert (only.name, only.image) == (f"{tmp_path}/named.parquet/x/y.jpg", b"z")


@pytest.mark.parametrize("table", [{"path": ["a.jpg"]}, {"image": ["a.jpg"]}, {"image": [1]}])
def test_other_tables_hold_none(table: dict[str, list[object]], tmp_path: Path) -> None:
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    assert not has_images(tmp_path / "a.parquet")
    assert not has_images(tmp_path / "none.parquet")
    (tmp_path / "a.csv").write_text("image\n")
    assert not has_images(tmp_path / "a.csv")
