"""WebDataset shards: samples by name, labels from .cls, .json or .txt, missing shards named."""

import io
import itertools
import json
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.common.content import content_hash
from adapt.data.sources import shards
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.shards import expand_braces, find_shards, from_shards, read_class_list
from adapt.errors import DataError
from tests.helpers.packed import (
    CLASSES,
    Files,
    class_files,
    image_bytes,
    refused,
    write_shards,
    write_tar,
)

FILES = class_files()
WANT = sorted((name.split("/")[0], content) for name, content in FILES)


def content(images: ImageList) -> list[tuple[str, bytes]]:
    return sorted((images.labels[i], Path(p).read_bytes()) for i, p in enumerate(images.paths))


def one_shard(folder: Path, members: Files, name: str = "s.tar") -> Path:
    folder.mkdir(exist_ok=True)
    return write_tar(folder / name, members)


@pytest.mark.parametrize("label", ["cls", "index", "json", "txt"])
def test_every_kind_of_label(tmp_path: Path, label: str) -> None:
    folder = write_shards(tmp_path / "shards", FILES, label=label)
    for path in (folder, f"{folder}/photos-{{000..003}}.tar", f"{folder}/photos-00{{0,1,2,3}}.tar"):
        images = from_shards(path, class_list=CLASSES if label == "index" else None)
        assert content(images) == WANT
        assert images.labels == sorted(images.labels)
    assert images.relative(0) == "photos-000/000000.png"
    if label == "json":
        assert images.columns == {"site": [f"s{i % 2}" for i in range(len(FILES))]}
    numbers = [int(Path(path).stem) for path in images.paths]
    assert [FILES[number][1] for number in numbers] == [Path(p).read_bytes() for p in images.paths]


def test_one_tar_is_a_shard(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", FILES, per_shard=100)
    assert content(from_shards(folder / "photos-000.tar")) == WANT


def test_the_list_decides_what_an_index_means(tmp_path: Path, cache: Path) -> None:
    folder = write_shards(tmp_path / "shards", FILES, label="index")
    (tmp_path / "classes.txt").write_text("\ufeffzebra\nyak \nxerus\n\n", "utf-8")
    names = dict(zip(CLASSES, ["zebra", "yak", "xerus"], strict=True))
    images = from_shards(folder, class_list=tmp_path / "classes.txt")
    assert content(images) == sorted((names[label], image) for label, image in WANT)
    bare = from_shards(folder)
    assert bare.class_names == ["0", "1", "2"]
    assert "3 class names have no letter (0, 1, 2): give a classes file" in bare.notes[-1]
    assert len(list(cache.iterdir())) == 1  # images are unpacked once for any list
    message = refused(from_shards, folder, class_list=["a", "b"])
    assert "no such class - 2 for 2 classes - check the class list" in message
    named = write_shards(tmp_path / "named", FILES)
    assert "not in the class list - 'dog', did you mean 'dogs'?" in refused(
        from_shards, named, class_list=["cat", "dogs", "sea_lion"]
    )


def test_class_lists_that_cannot_be_used(tmp_path: Path) -> None:
    for names, what in (
        (["a", "", "b"], "a class name is empty - '', number 1"),
        (["a", "b", "a "], "two classes have equal names - 'a' and 'a '"),
    ):
        with pytest.raises(DataError, match=what):
            read_class_list(names)
    with pytest.raises(DataError, match="cannot be read"):
        read_class_list(tmp_path / "no.txt")


def test_order_of_labels_and_captions(tmp_path: Path) -> None:
    both = json.dumps({"label": "cat", "Height": 5, "box": [1], "path": "x", "ok": True})
    path = one_shard(
        tmp_path,
        [("a.jpg", image_bytes(1)), ("a.txt", b"a cat"), ("a.json", both.encode()),
         ("b.jpg", image_bytes(2)), ("b.txt", b"a dog"), ("b.json", both.encode()),
         ("b.cls", b" dog\n"), ("c.d/e.png", image_bytes(3)), ("c.d/e.cls", b"eel"),
         ("c.d/e.txt", b"")],
    )  # fmt: skip
    images = from_shards(path)
    assert images.labels == ["cat", "dog", "eel"]
    assert images.columns == {
        "height": ["5", "5", ""], "given_path": ["x", "x", ""], "ok": ["True", "True", ""],
        "caption": ["a cat", "a dog", ""],
    }  # fmt: skip
    assert images.relative(2) == "s/c.d/e.png"


def test_groups_come_with_json(tmp_path: Path) -> None:
    def members(*groups: str | None) -> Files:
        records = [{"label": "ab"[i % 2], "group": group} for i, group in enumerate(groups)]
        pairs = enumerate(json.dumps(record).encode() for record in records)
        return [m for i, r in pairs for m in ((f"{i}.png", image_bytes(i)), (f"{i}.json", r))]

    assert from_shards(one_shard(tmp_path, members("x", "y", "x"))).groups == ["x", "x", "y"]
    some = from_shards(one_shard(tmp_path, members("x", None, "x"), "t.tar"))
    assert some.groups is None
    assert some.columns == {"given_group": ["x", "x", ""]}


def test_what_is_not_used_is_counted(tmp_path: Path) -> None:
    members = [("a.png", image_bytes(1)), ("a.cls", b"cat"), ("a.npy", b"x"), ("b.json", b"{}"),
               ("b.mp4", b"x"), ("README", b"x"), ("__meta__/x", b"x"), ("__MACOSX/._a.png", b"x"),
               ("d.png", image_bytes(2)), ("d.cls", b"dog"), ("d.npy", b"x")]  # fmt: skip
    images = from_shards(one_shard(tmp_path, members))
    assert images.labels == ["cat", "dog"]
    assert images.notes[1] == (
        "members that are not used: 1 .mp4, 2 .npy, 1 samples without an image, 1 without suffix"
    )


BAD: dict[str, tuple[list[tuple[str, bytes]], str]] = {
    "no label": ([("a.png", b"1")], "s.tar, sample 'a' - no label - an image alone"),
    "empty label": ([("a.png", b"1"), ("a.cls", b" ")], "sample 'a' - no label - .cls"),
    "null": ([("a.png", b"1"), ("a.json", b'{"label": null}')], "label in .json is NoneType"),
    "not JSON": ([("a.png", b"1"), ("a.json", b"{")], "sample 'a' - not JSON"),
    "not UTF-8": ([("a.png", b"1"), ("a.cls", b"\xff")], "not UTF-8 - byte 0 of .cls"),
    "labels": ([("a.png", b"1"), ("a.json", b'{"labels": ["x"]}')], "several labels for one image"),
    "list": ([("a.png", b"1"), ("a.json", b'{"label": [1, 2]}')], "several labels for one image"),
    "joined": ([(f"{i}.{k}", t) for i, t in enumerate([b"x|y", b"x", b"y", b"y|x"])
                for k, t in (("png", t), ("cls", t))], "sample '0', column 'label' - several"),
    "two images": ([("a.png", b"1"), ("a.seg.png", b"2"), ("a.cls", b"x")],
                   "member 'a.seg.png' - two images in one sample - a.png and .seg.png"),
    "two labels": ([("a.cls", b"1"), ("a.x.cls", b"2")], "two members of equal name - .cls"),
    "again": ([("a.png", b"1"), ("a.cls", b"x"), ("b.png", b"2"), ("b.cls", b"x"),
               ("a.png", b"3")], "member 's/a.png' - two members of equal name"),
    "outside": ([("../a.png", b"1")], "member '../a.png' - unsafe name - it leads out"),
    "huge label": ([("a.png", b"1"), ("a.cls", bytes(2 << 20))], "too large for a label"),
    "no sample": ([("x", b"1")], "no images - 0 were found in it"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_samples_that_cannot_be_used(tmp_path: Path, cache: Path, name: str) -> None:
    members, what = BAD[name]
    assert what in refused(from_shards, one_shard(tmp_path, members))
    assert list(cache.iterdir()) == []


def test_captions_are_no_labels(tmp_path: Path) -> None:
    pairs = [((f"{i}.png", image_bytes(i)), (f"{i}.txt", b"photo %d" % i)) for i in range(30)]
    members = [member for sample in pairs for member in sample]
    message = refused(from_shards, one_shard(tmp_path, members))
    assert ".txt holds captions, not labels - 30 different texts for 30 images" in message


def test_links_in_shards(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.png")
    entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        archive.addfile(entry, io.BytesIO())
    assert "member 'a.png' - a link" in refused(from_shards, tmp_path / "s.tar")


def test_missing_and_damaged_shards(tmp_path: Path, cache: Path) -> None:
    folder = write_shards(tmp_path / "shards", FILES)
    (folder / "photos-002.tar").unlink()
    pattern = f"{folder}/photos-{{000..003}}.tar"
    assert refused(from_shards, pattern) == (
        f"{pattern} - shards are missing - 1 of 4, the first is {folder}/photos-002.tar - check "
        "the path and the numbers"
    )
    last = folder / "photos-003.tar"
    last.write_bytes(last.read_bytes()[:1000])
    assert f"{last} - damaged tar archive" in refused(from_shards, folder)
    assert list(cache.iterdir()) == []
    (tmp_path / "empty").mkdir()
    assert "no shards - no .tar in this folder" in refused(from_shards, tmp_path / "empty")


def test_splits_by_name(tmp_path: Path) -> None:
    write_shards(tmp_path / "set" / "train", FILES[:10])
    write_shards(tmp_path / "set" / "val", FILES[10:])
    assert "several splits - train, validation - choose one with split" in refused(
        from_shards, tmp_path / "set"
    )
    assert len(from_shards(tmp_path / "set", split="train")) == 10
    images = from_shards(tmp_path / "set", split="validation")
    assert content(images) == sorted((n.split("/")[0], c) for n, c in FILES[10:])
    assert "no such split - 'test'" in refused(from_shards, tmp_path / "set", split="test")


def test_shards_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for part, files in (("a", FILES[:9]), ("b", FILES[9:])):
        write_shards(tmp_path / part, files, per_shard=9)
    images = from_shards(f"{tmp_path}/{{a,b}}/photos-000.tar")
    assert content(images) == WANT
    assert {Path(images.relative(i)).parent.as_posix() for i in range(len(images))} == {
        "a/photos-000", "b/photos-000"
    }  # fmt: skip


def test_same_shards_are_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shards(tmp_path / "shards", FILES)
    first = from_shards(folder)
    monkeypatch.setattr(shards, "read_members", None)
    second = from_shards(folder)
    assert (second.paths, second.notes) == (first.paths, first.notes)
    assert [content_hash(path) for path in second.paths] == [content_hash(p) for p in first.paths]


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 4))
def test_braces_count(first: int, length: int, width: int) -> None:
    start, end = f"{first:0{width}d}", f"{first + length:0{width}d}"
    # Independent: bash pads to the longer one when either starts with a zero.
    pad = max(len(start), len(end)) if "0" in (start[0], end[0]) else 0
    want = [f"a-{str(i).zfill(pad)}.tar" for i in range(first, first + length + 1)]
    assert expand_braces(f"a-{{{start}..{end}}}.tar") == want


def test_braces() -> None:
    product = itertools.product("ab", ["x", "yy"], "01")
    assert expand_braces("{a,b}{x,yy}{0..1}") == ["".join(one) for one in product]
    assert expand_braces("plain.tar") == ["plain.tar"]
    for wrong in ("{a}", "{3..1}", "{0..200000}", "{0..999}{0..999}"):
        with pytest.raises(DataError, match="shards"):
            expand_braces(wrong)
    assert find_shards(__file__) == [__file__]
