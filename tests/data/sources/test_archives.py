"""Archives: the same images as the folder that was packed, nothing unsafe, nothing half."""

import io
import tarfile
import tracemalloc
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapt.common.content import content_hash
from adapt.data.image_data import ImageData
from adapt.data.images import Images
from adapt.data.sources import unpacked
from adapt.data.sources.archives import from_archive, read_members
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.unpacked import Writer
from adapt.errors import DataError
from tests.helpers.packed import (
    CLASSES,
    FEATURES,
    class_files,
    hub_table,
    image_bytes,
    member,
    refused,
    relatives,
    save_to_disk,
    table_of,
    write_folder,
    write_shards,
    write_tar,
    write_zip,
)

FILES = class_files()
TARS = {"photos.tar": "w", "photos.tgz": "w:gz", "photos.tar.xz": "w:xz", "photos.tar.bz2": "w:bz2"}


def hashes(images: ImageList) -> list[str]:
    return [content_hash(path) for path in images.paths]


def write_form(name: str, folder: Path) -> ImageList:
    """The images of `FILES` in one form."""
    if name == "shards":
        return Images.from_shards(write_shards(folder / "shards", FILES, label="index"),
                                  class_list=CLASSES)  # fmt: skip
    if name == "hub":
        return Images.from_hub(save_to_disk(folder / "hub", hub_table(FILES), FEATURES))
    if name == "zip":
        return Images.from_archive(write_zip(folder / "photos.zip", FILES))
    if name in TARS:
        return Images.from_archive(write_tar(folder / name, FILES, TARS[name]))
    root = write_folder(folder / "photos", FILES)
    if name == "folder":
        return from_folder(root)
    table = table_of(FILES).sample(frac=1, random_state=1)
    if name == "csv":
        table.to_csv(root / "labels.csv", index=False)
        return Images.from_table(root / "labels.csv")
    if name == "parquet":
        table.to_parquet(root / "labels.parquet")
        return Images.from_table(root / "labels.parquet")
    return Images.from_frame(table, root)


FORMS = ("csv", "parquet", "frame", "hub", "shards", "zip", *TARS)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_splits(tmp_path: Path, name: str) -> None:
    want = write_form("folder", tmp_path / "one")
    got = write_form(name, _made(tmp_path / "two"))
    assert sorted(zip(got.labels, hashes(got), strict=True)) == sorted(
        zip(want.labels, hashes(want), strict=True)
    )
    for options in ({}, {"seed": 3, "shots": 2}, {"val_fraction": 0.4, "seed": 7}):
        first, second = ImageData.build(want, **options), ImageData.build(got, **options)
        for one, other in ((first.train, second.train), (first.val, second.val)):
            assert one is not None
            assert other is not None
            assert one.labels == other.labels
            assert hashes(one) == hashes(other)
        assert first.class_names == second.class_names
        assert first.notes == second.notes


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_archive_is_the_folder(tmp_path: Path, cache: Path) -> None:
    folder = from_folder(write_folder(tmp_path / "photos", FILES))
    for images in (
        from_archive(write_zip(tmp_path / "a.zip", FILES)),
        from_archive(write_tar(tmp_path / "a.tgz", FILES, "w:gz")),
        from_archive(write_zip(tmp_path / "top.zip", [(f"top/{n}", c) for n, c in FILES])),
    ):
        assert relatives(images) == relatives(folder)
        assert images.labels == folder.labels
        assert [Path(path).read_bytes() for path in images.paths] == [
            Path(path).read_bytes() for path in folder.paths
        ]
        assert Path(images.root).is_relative_to(cache)
        assert images.notes[0].endswith("unpacked once, until its bytes change")
        assert images.notes[1:] == folder.notes == []


def test_junk_and_foreign_files_as_in_folders(tmp_path: Path) -> None:
    more = [("cat/.DS_Store", b"x"), ("__MACOSX/cat/._00.png", b"x"), ("__MACOSX/1.png", b"x"),
            ("dog/notes.txt", b"x"), ("stray.png", image_bytes(1))]  # fmt: skip
    folder = from_folder(write_folder(tmp_path / "photos", FILES + more))
    for path in (
        write_zip(tmp_path / "a.zip", FILES + more),
        write_tar(tmp_path / "a", more + FILES),
    ):
        images = from_archive(path)
        assert images.notes[1:] == folder.notes
        assert relatives(images) == relatives(folder)
    assert len(folder.notes) == 3


def test_tables_and_splits_inside(tmp_path: Path) -> None:
    rows = table_of(FILES).assign(split=["train", "test"] * 9, site="north")
    packed = [*FILES, ("labels.csv", rows.to_csv(index=False).encode())]
    for prefix in ("", "set/"):
        path = write_zip(tmp_path / "a.zip", [(f"{prefix}{name}", c) for name, c in packed])
        images = from_archive(path, table="labels.csv", split="test")
        assert sorted(relatives(images)) == [name for name, _ in FILES[1::2]]
        assert images.columns["site"] == ["north"] * 9
    message = refused(from_archive, path, table="label.csv")
    assert "no such table at its top - 'label.csv', did you mean 'labels.csv'?" in message
    flat = [(name.replace("/", "_"), content) for name, content in FILES]
    path = write_zip(tmp_path / "flat.zip", [*flat, ("labels.csv", b"path,label\n")])
    assert "no class folders - images and labels.csv - name its table" in refused(
        from_archive, path
    )


def test_split_folders(tmp_path: Path) -> None:
    packed = [(f"set/{'test' if i % 3 else 'train'}/{n}", c) for i, (n, c) in enumerate(FILES)]
    path = write_tar(tmp_path / "a.tar", packed)
    message = refused(from_archive, path)
    assert message.endswith(
        "its folders are splits, not classes - test, train - choose one: split: test"
    )
    assert relatives(from_archive(path, split="train")) == [name for name, _ in FILES[::3]]
    assert "did you mean 'test'? - choose from test, train" in refused(
        from_archive, path, split="tset"
    )
    alone = write_tar(tmp_path / "b.tar", [(n, c) for n, c in packed if "/train/" in n])
    assert len(from_archive(alone, split="train")) == 6


def test_encrypted_zip(tmp_path: Path) -> None:
    content = bytearray(write_zip(tmp_path / "a.zip", [("cat/1.png", b"x")]).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    assert "member 'cat/1.png' - an encrypted file - " in refused(from_archive, tmp_path / "a.zip")


NFC, NFD = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(
    ("first", "second"),
    [("cat/1.png", "cat/1.PNG"), ("cat/1.png", "cat/1.png"), (f"{NFC}/1.png", f"{NFD}/2.png"),
     ("Cat/1.png", "cat/2.png"), ("cat", "cat/1.png"), ("cat/1.png", "cat"), ("a//b", "a/b"),
     ("ß.png", "SS.png")],
)  # fmt: skip
def test_names_that_some_system_mixes_up(tmp_path: Path, first: str, second: str) -> None:
    path = write_tar(tmp_path / "a.tar", [(first, b"1"), (second, b"2")])
    message = refused(from_archive, path)
    assert message.startswith(f"{path}, member {second!r} - two members of equal name - ")


def test_zip_names_in_utf8_without_the_flag(tmp_path: Path) -> None:
    name = "caf\u00e9/1.png"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("caf??/1.png", image_bytes(1))
        archive.writestr("dog/1.png", image_bytes(2))
    content = (tmp_path / "a.zip").read_bytes().replace(b"caf??", name.split("/")[0].encode())
    (tmp_path / "a.zip").write_bytes(content)
    assert from_archive(tmp_path / "a.zip").class_names == ["caf\u00e9", "dog"]


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_bombs(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(unpacked, "FREE_BYTES", 1 << 20)
    path, zeros = tmp_path / "bomb", bytes(1 << 19)
    files = [(f"cat/{i}.png", zeros) for i in range(16)]
    (write_zip(path, files) if kind == "zip" else write_tar(path, files, "w:gz"))
    written: list[int] = []
    write = Writer.write

    def spy(self: Writer, *arguments: Any) -> str:
        done = write(self, *arguments)
        written.append(self.total)
        return done

    monkeypatch.setattr(Writer, "write", spy)
    message = refused(from_archive, path)
    assert "- a decompression bomb - " in message
    packed = path.stat().st_size
    assert max(written) <= max(1 << 20, unpacked.MAX_RATIO * packed) < 16 * len(zeros)
    assert list(cache.iterdir()) == []
    monkeypatch.setattr(unpacked, "MAX_RATIO", 100_000)
    assert len(from_archive(write_zip(path, [("dog/1.png", b"1"), *files]))) == 17


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path, cache: Path) -> None:
    path = write_zip(tmp_path / "a.zip", [("cat/1.png", bytes(100_000))])
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    assert "member 'cat/1.png' - damaged" in refused(from_archive, path)
    assert list(cache.iterdir()) == []


def test_memory_stays_flat(tmp_path: Path) -> None:
    size = 24 << 20
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name in ("cat/1.png", "dog/1.png"):
            archive.addfile(member(name, size), io.BytesIO(bytes(size)))
    tracemalloc.start()
    images = from_archive(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [Path(path).stat().st_size for path in images.paths] == [size, size]
    assert peak < size / 3


SMALL = [("cat/1.png", image_bytes(1)), ("dog/1.png", image_bytes(2))]


@pytest.mark.parametrize("kind", ["zip", *TARS])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_off_anywhere(tmp_path: Path, cache: Path, kind: str, share: float) -> None:
    path = tmp_path / kind
    _ = write_zip(path, SMALL) if kind == "zip" else write_tar(path, SMALL, TARS[kind])
    content = path.read_bytes()
    end = len(content)
    if kind == "photos.tar":  # behind the end mark there is padding alone
        end = content.rindex(SMALL[1][1]) + 512
    path.write_bytes(content[: int(share * end)])
    assert str(path) in refused(from_archive, path)
    assert not cache.is_dir() or list(cache.iterdir()) == []


def test_a_tar_cut_off_between_members(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", SMALL)
    content = path.read_bytes()
    end = (content.rindex(SMALL[1][1]) + len(SMALL[1][1]) + 511) // 512 * 512
    for place in range(0, end + 1, 512):
        path.write_bytes(content[:place])
        assert str(path) in refused(from_archive, path), place
    path.write_bytes(content[: end + 512])
    assert len(from_archive(path)) == 2


@pytest.mark.parametrize("kind", ["zip", "photos.tgz", "photos.tar.xz", "photos.tar.bz2"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_changes_an_image(
    tmp_path: Path, kind: str, share: float, bit: int
) -> None:
    path = tmp_path / kind
    _ = write_zip(path, SMALL) if kind == "zip" else write_tar(path, SMALL, TARS[kind])
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        images = from_archive(path)
    except DataError:
        return
    assert {Path(p).read_bytes() for p in images.paths} <= {content for _, content in SMALL}


def test_what_is_no_archive(tmp_path: Path) -> None:
    foreign = {
        b"7z\xbc\xaf\x27\x1c0000": "it is 7-Zip", b"Rar!\x1a\x07": "it is RAR",
        b"\x28\xb5\x2f\xfd00": "it is Zstandard", b"hello": "not a zip or tar archive",
        b"": "not a zip or tar archive", b"x" * 2000: "not a zip or tar archive",
        image_bytes(1): "not a zip or tar archive", b"PK\x03\x04": "damaged zip archive",
        b"\x1f\x8b\x08": "damaged tar archive",
    }  # fmt: skip
    for content, what in foreign.items():
        (tmp_path / "a.zip").write_bytes(content)
        assert what in refused(from_archive, tmp_path / "a.zip")
    assert "given as an archive" in refused(from_archive, tmp_path)
    assert "no images - 0 files" in refused(from_archive, write_tar(tmp_path / "b", []))
    assert "no images - 0 files" in refused(from_archive, write_zip(tmp_path / "b", []))
    only = write_zip(tmp_path / "c", [(".DS_Store", b"x")])
    assert "no images - 0 files" in refused(from_archive, only)


def crafted(size: str, kind: bytes = b"0") -> bytes:
    """A tar header with any size field."""
    entry = bytearray(member("x", 0, kind).tobuf(tarfile.GNU_FORMAT))
    entry[124:136] = b"\xff" * 11 + b"\x00" if size == "-256" else f"{int(size):011o}\0".encode()
    entry[148:156] = b" " * 8
    entry[148:156] = f"{sum(entry):06o}\0 ".encode()
    return bytes(entry)


@pytest.mark.parametrize(
    ("size", "kind"), [("-256", b"0"), ("1000000000", b"L"), ("99999999", b"x")]
)
def test_headers_that_ask_for_too_much(tmp_path: Path, size: str, kind: bytes) -> None:
    good = write_tar(tmp_path / "good", SMALL[:1]).read_bytes()
    start = good[: good.rindex(SMALL[0][1]) // 512 * 512 + 512]
    (tmp_path / "a.tar").write_bytes(start + crafted(size, kind) + bytes(1024))
    message = refused(lambda path: list(read_members(path)), tmp_path / "a.tar")
    assert f"damaged tar archive - a header claims {size} bytes" in message
