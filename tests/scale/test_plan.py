"""A source is divided alike every time."""

import os
from collections import Counter
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.errors import DataError
from adapt.scale.plan import CONTAINER, Entry, as_given, entries, entries_of, make_plan


@pytest.fixture
def store() -> str:
    """A store in memory with two images, a table and two archives."""
    memory = fsspec.filesystem("memory")
    memory.rm("/", recursive=True) if memory.ls("/") else None
    files = {"b/2.jpg": b"2", "1.jpg": b"1", "b/x.txt": b"", "s/1.tar": b"12345", "s/0.tar": b"",
             "list.csv": b"path\nb/2.jpg\nmemory://bucket/1.jpg\n",
             "far.csv": b"path\ns3://else/where.jpg\n"}  # fmt: skip
    for name, content in files.items():
        memory.pipe_file(f"/bucket/{name}", content)
    return "memory://bucket"


def listed(source: object, **words: bool) -> list[str]:
    return [entry.address for entry in entries(str(source), Counter(), **words)]


def test_a_store_in_every_form(store: str) -> None:
    skipped = Counter[str]()
    found = list(entries(store, skipped))
    assert [entry.address for entry in found] == [f"{store}/1.jpg", f"{store}/b/2.jpg"]
    assert skipped == {".csv": 2, ".txt": 1, ".tar": 2}
    tars = [Entry(f"{store}/s/0.tar", CONTAINER, 0), Entry(f"{store}/s/1.tar", CONTAINER, 5)]
    assert list(entries(f"{store}/s/*.tar", Counter())) == tars
    assert list(entries(f"{store}/s/{{0..1}}.tar", Counter())) == tars
    assert listed(f"{store}/list.csv") == [f"{store}/b/2.jpg", f"{store}/1.jpg"]
    assert listed(f"{store}/1.jpg") == [f"{store}/1.jpg"]


def test_a_list_asks_no_other_machine_unless_told_to(store: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names a file elsewhere - s3://else"):
        listed(f"{store}/far.csv")
    assert listed(f"{store}/far.csv", remote=True) == ["s3://else/where.jpg"]
    table = tmp_path / "list.csv"
    table.write_text(f"path\na.jpg\n{store}/1.jpg\n")
    with pytest.raises(DataError, match="add --remote"):
        listed(table)
    assert listed(table, remote=True) == [str(tmp_path / "a.jpg"), f"{store}/1.jpg"]


@pytest.mark.parametrize("name", ["no/where", "no/*.jpg", "no.tar", "no.csv", "no.jpg"])
def test_what_is_not_there(store: str, name: str, tmp_path: Path) -> None:
    for root in (store, str(tmp_path)):
        with pytest.raises(DataError, match=r"not found|no such|cannot be read"):
            listed(f"{root}/{name}")


def test_tables_with_images_are_parts(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"a", b"b"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"path": ["x.jpg"]}), tmp_path / "b.parquet")
    found = list(entries(str(tmp_path / "*.parquet"), Counter()))
    assert [(entry.kind, Path(entry.address).name) for entry in found] == [
        (CONTAINER, "a.parquet"), ("image", "x.jpg"),
    ]  # fmt: skip
    assert found[0].size == (tmp_path / "a.parquet").stat().st_size


def test_a_plan_is_read_as_it_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    odd = os.fsdecode(b"n\xe9.jpg")
    for name in ("a.jpg", "b.jpg", odd):
        (folder / name).write_bytes(b"")
    plan = make_plan(str(folder), 2, path=tmp_path / "inputs.parquet")
    assert plan.parts == 2
    assert [entry.address for entry in entries_of(tmp_path / "inputs.parquet", 0)] == [
        str(folder / "a.jpg"), str(folder / "b.jpg"),
    ]  # fmt: skip
    assert entries_of(tmp_path / "inputs.parquet", 1) == [Entry(str(folder / odd))]
    assert make_plan(str(folder), 2) == plan
    assert make_plan(str(folder), 1).hash != plan.hash
    (folder / "b.jpg").rename(folder / "c.jpg")
    assert make_plan(str(folder), 2).hash != plan.hash
    with pytest.raises(DataError, match="cannot be read"):
        entries_of(tmp_path / "inputs.parquet", 2)


def test_files_that_are_called_like_patterns(tmp_path: Path) -> None:
    (tmp_path / "a[1].tar").write_bytes(b"")
    assert as_given(str(tmp_path / "a[1].tar")) == {str(tmp_path / "a[1].tar"): None}
    assert as_given("-") == {"-": None}
