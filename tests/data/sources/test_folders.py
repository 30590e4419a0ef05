"""Class folders: what is an image, what is left out, what is refused."""

import unicodedata
from pathlib import Path

import pytest

from adapt.data.sources.folders import from_folder
from tests.helpers.packed import draw, refused, relatives


def test_folder(root: Path) -> None:
    images = from_folder(root)
    assert relatives(images) == ["cat/10.png", "cat/2.png", "dog/a.png", "dog/b.png"]
    assert images.labels == ["cat", "cat", "dog", "dog"]
    assert images.class_names == ["cat", "dog"]
    assert images.counts() == {"cat": 2, "dog": 2}
    assert images.notes == []
    assert images.open(3).getpixel((0, 0)) == (0, 0, 0)
    assert repr(images) == f"ImageList(4 in 2 classes, root={str(root)!r})"


def test_junk_nesting_and_strays_are_noted(root: Path) -> None:
    for name in ("cat/.DS_Store", "cat/._2.png", "Thumbs.db", "cat/notes.txt", "cat/x.psd"):
        (root / name).write_bytes(b"junk")
    for name in (".ipynb_checkpoints/1.png", "__MACOSX/1.png", "dog/@eaDir/1.png", "stray.png"):
        draw(root / name)
    draw(root / "dog/puppies/small/c.PNG")
    images = from_folder(root)
    assert len(images) == 5
    assert images.labels.count("dog") == 3
    assert images.notes == [
        "6 junk files or folders skipped: .ipynb_checkpoints, Thumbs.db, __MACOSX, cat/.DS_Store, "
        "cat/._2.png, ...",
        "2 files are not images and were left out: 1 .psd, 1 .txt",
        "1 images beside the class folders left out: stray.png",
        "1 images come from nested folders, up to 3 deep",
    ]


def test_links(root: Path, tmp_path: Path) -> None:
    (root / "cat" / "self").symlink_to(root / "cat")
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "gone.png").symlink_to(root / "dog" / "nowhere.png")
    (root / "dog" / "twin.png").symlink_to(root / "dog" / "a.png")
    images = from_folder(root)
    assert images.counts() == {"cat": 2, "dog": 3}
    assert images.notes == ["3 links lead in a circle or nowhere: cat/self, dog/gone.png, dog/up"]
    draw(tmp_path / "outside" / "secret.png")
    (root / "cat" / "leak").symlink_to(tmp_path / "outside")
    assert refused(from_folder, root).startswith(
        f"{root}/cat/leak - link leaves the root - it lead"
    )


def test_folders_that_cannot_be_used(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no class folders - 0 images" in refused(from_folder, empty)
    assert "not a folder" in refused(from_folder, tmp_path / "gone")
    (root / "fox").mkdir()
    assert refused(from_folder, root) == (
        f"{root}/fox - class folder without an image - it is empty - add images or remove the "
        "folder"
    )
    (root / "fox" / "1.psd").write_bytes(b"x")
    assert refused(from_folder, root).endswith("it holds 1 .psd - add images or remove the folder")
    for name in ("train", "val"):
        draw(tmp_path / "split" / name / "cat" / "1.png")
    assert "are splits, not classes - train, val" in refused(from_folder, tmp_path / "split")


@pytest.mark.parametrize("pair", [("Cat", "cat"), ("Caf\u00e9", "Cafe\u0301")])
def test_folders_equal_after_folding(tmp_path: Path, pair: tuple[str, str]) -> None:
    for name in pair:
        draw(tmp_path / name / "1.png")
    message = refused(from_folder, tmp_path)
    assert "differ only in case or Unicode form" in message
    assert all(ascii(name) in message for name in pair)


def test_labels_are_the_same_on_macos_and_linux(tmp_path: Path) -> None:
    draw(tmp_path / unicodedata.normalize("NFD", "Caf\u00e9") / "1.png")
    images = from_folder(tmp_path)
    assert images.class_names == ["Caf\u00e9"]
    assert images.relative(0) == "Caf\u00e9/1.png"
    assert images.open(0).size == (4, 3)
