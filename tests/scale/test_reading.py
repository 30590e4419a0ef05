"""The images of a part, wherever they are."""

import io
from collections import Counter
from pathlib import Path

import fsspec
import pytest

from adapt.models.prediction.inputs import NamedImage
from adapt.scale.plan import CONTAINER, Entry
from adapt.scale.reading import TOGETHER, images_of
from tests.helpers.packed import write_tar


@pytest.fixture
def memory() -> fsspec.AbstractFileSystem:
    return fsspec.filesystem("memory")


def read(*part: Entry) -> list[NamedImage]:
    return list(images_of(part, Counter()))


def test_groups_are_fetched_in_order(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    names = [f"memory://many/{number}.jpg" for number in range(2 * TOGETHER + 5)]
    for number, name in enumerate(names):
        memory.pipe_file(name.removeprefix("memory:/"), str(number).encode())
    local = Entry(str(tmp_path / "here.jpg"))
    given = read(*map(Entry, names), local, Entry("memory://many/none.jpg"))
    contents = [str(number).encode() for number in range(len(names))]
    assert [image.name for image in given] == [*names, local.address, "memory://many/none.jpg"]
    assert [image.image for image in given[:-2]] == contents
    assert given[-2].image == local.address, "a file here is opened by the thread that decodes it"
    problem = given[-1].problem
    assert problem is not None
    assert problem.reason == "no such file"
    assert str(problem).startswith("memory://many/none.jpg - no such file")


def test_an_archive_elsewhere_has_its_own_name(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    files = [("a/1.jpg", b"1"), ("../2.jpg", b"2"), ("b.txt", b"")]
    write_tar(tmp_path / "s.tar", files)
    memory.pipe_file("/many/s.tar", (tmp_path / "s.tar").read_bytes())
    skipped = Counter[str]()
    part = [Entry("memory://many/s.tar", CONTAINER), Entry("memory://many/no.tar", CONTAINER)]
    first, second, third = images_of(part, skipped)
    assert (first.name, first.image) == ("memory://many/s.tar/a/1.jpg", b"1")
    assert second.name == "memory://many/s.tar/../2.jpg"
    assert second.problem is not None
    assert str(second.problem).startswith(second.name)
    assert "/tmp" not in str(second.problem)
    assert third.name == "memory://many/no.tar"
    assert third.problem is not None
    assert third.problem.reason == "not found"
    assert skipped == {".txt": 1}


def test_what_could_not_be_listed_is_a_row() -> None:
    (image,) = read(Entry("closed", problem="closed - folder cannot be read - x - y", reason="z"))
    assert image.problem is not None
    assert (image.problem.reason, str(image.problem)[:6]) == ("z", "closed")


def test_a_table_that_is_damaged_midway(tmp_path: Path) -> None:
    stream = io.BytesIO(b"no table")
    (tmp_path / "a.parquet").write_bytes(stream.getvalue())
    (image,) = read(Entry(str(tmp_path / "a.parquet"), CONTAINER))
    assert image.problem is not None
