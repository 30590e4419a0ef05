"""Images inside archives: every one has a row, none is unpacked, and none leads out."""

import io
import tarfile
from pathlib import Path

import pytest

from adapt.data.sources import unpacked
from adapt.errors import DataError
from adapt.predictions.inputs import archive
from adapt.predictions.inputs.base import Reading
from tests.helpers.packed import image_bytes, member, write_tar, write_zip

FILES = [(f"cat/{n}.png", image_bytes(n)) for n in range(4)]


def loaded(source: object) -> list[tuple[str, bytes | str]]:
    """Names below the source, and what each gives: bytes or a reason."""
    items = (item.load() for item in Reading(str(source)).items())
    return [
        (item.name, item.problem.reason if item.problem else item.image)  # type: ignore[misc]
        for item in items
    ]


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"])
def test_members_in_their_order(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    files = [*FILES, ("0.json", b"{}"), ("cat/.hidden.png", b"x"), ("__MACOSX/1.png", b"x")]
    if suffix == ".zip":
        write_zip(path, files)
    else:
        mode = {".tar": "w", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}.get(suffix, "w:gz")
        write_tar(path, files, mode)
    before = set(tmp_path.iterdir())
    assert loaded(path) == [(f"{path}/{name}", content) for name, content in FILES]
    assert set(tmp_path.iterdir()) == before
    reading = Reading(str(path))
    list(reading.items())
    assert reading.skipped == {".json": 1}
    assert reading.count() == (4 if suffix in (".zip", ".tar") else 0)


def test_what_a_pattern_stands_for(tmp_path: Path) -> None:
    for number in (1, 2, 10):
        write_tar(tmp_path / f"s-{number:02d}.tar", [(f"{number}.png", b"x")])
    names = [f"{tmp_path}/s-{number}.tar/{int(number)}.png" for number in ("01", "02", "10")]
    assert [name for name, _ in loaded(tmp_path / "s-*.tar")] == names
    assert [name for name, _ in loaded(tmp_path / "s-{01..02}.tar")] == names[:2]
    with pytest.raises(DataError, match="no such files - nothing fits the pattern"):
        loaded(tmp_path / "t-*.tar")
    with pytest.raises(DataError, match="shards are missing - 1 of 2"):
        loaded(tmp_path / "s-{02..03}.tar")


def test_names_and_kinds_that_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as made:
        for name in ("./ok.png", "../out.png", "/abs.png", "a/../../b.png"):
            made.addfile(member(name, 1), io.BytesIO(b"x"))
        made.addfile(member("link.png", kind=tarfile.SYMTYPE, link="/etc/passwd"))
        made.addfile(member("pipe.png", kind=tarfile.FIFOTYPE))
    assert loaded(path) == [
        (f"{path}/ok.png", b"x"),
        (f"{path}/../out.png", "unsafe name"),
        (f"{path}//abs.png", "unsafe name"),
        (f"{path}/a/../../b.png", "unsafe name"),
        (f"{path}/link.png", "a link"),
        (f"{path}/pipe.png", "a device"),
    ]


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "a.zip", [("a.png", bytes(5000)), ("b.png", b"x" * 90)])
    monkeypatch.setattr(archive, "LARGEST", 100)
    assert loaded(path) == [(f"{path}/a.png", "too large"), (f"{path}/b.png", b"x" * 90)]
    monkeypatch.setattr(archive, "LARGEST", 10_000)
    monkeypatch.setattr(unpacked, "FREE_BYTES", 1000)
    monkeypatch.setattr(unpacked, "MAX_RATIO", 3)
    first, second = (item.load() for item in Reading(str(path)).items())
    problem = f"{path}/a.png - a decompression bomb - 5000 bytes from "
    assert str(first.problem).startswith(problem)
    assert second.image == b"x" * 90


def test_a_damaged_member_leaves_the_others(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", FILES)
    content = bytearray(path.read_bytes())
    start = content.index(b"cat/1.png") + len(b"cat/1.png")
    content[start + 5 : start + 15] = bytes(10)
    path.write_bytes(content)
    given = loaded(path)
    assert [value for _, value in given][:1] == [FILES[0][1]]
    assert given[1] == (f"{path}/cat/1.png", "damaged")
    assert [value for _, value in given][2:] == [FILES[2][1], FILES[3][1]]


def test_an_archive_that_ends_too_early_has_a_row(tmp_path: Path) -> None:
    big = [(f"{n}.png", bytes([n]) * 600) for n in range(4)]
    path, other = write_tar(tmp_path / "s-0.tar", big), write_tar(tmp_path / "s-1.tar", big)
    path.write_bytes(path.read_bytes()[: 2 * (512 + 1024)])
    assert loaded(tmp_path / "s-*.tar") == [
        *((f"{path}/{name}", content) for name, content in big[:2]),
        (str(path), "damaged tar archive"),
        *((f"{other}/{name}", content) for name, content in big),
    ]
    path.write_text("none at all")
    assert loaded(tmp_path / "s-*.tar")[0] == (str(path), "not a zip or tar archive")
    with pytest.raises(DataError, match="not a zip or tar archive"):
        loaded(path)
