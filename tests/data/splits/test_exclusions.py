"""Lists of images to leave out: their text, and which image each line takes."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.exclusions import Excluded, exclude, format_exclusions, read_exclusions
from adapt.errors import DataError

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def folder(root: Path, files: dict[str, int]) -> ImageList:
    """Class folders; equal numbers are equal contents."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(content).integers(0, 255, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return from_folder(root)


def names(images: ImageList) -> list[str]:
    return [images.relative(index) for index in range(len(images))]


@given(
    st.lists(
        st.tuples(st.binary(min_size=1), TEXT, st.sampled_from(["blank", "near_copy", ""])),
        unique=True,
        max_size=5,
    )
)
def test_a_list_reads_back_as_it_was_written(entries: list[tuple[bytes, str, str]]) -> None:
    lines = [
        Excluded(hashlib.sha256(seed).hexdigest(), "train", f"a/{path}", reason)
        for seed, path, reason in entries
    ]
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "list.txt")
        file.write_text(format_exclusions(lines), encoding="utf-8", newline="")
        assert sorted(read_exclusions(file)) == sorted(set(lines))


def test_comments_bare_hashes_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    digest = "0a" * 32
    file.write_text(f"\ufeff# why\n\n{digest}\n", encoding="utf-8")
    assert read_exclusions(file) == [Excluded(digest, "", "", "")]


@pytest.mark.parametrize("line", ["cat/1.png", "12ab  train/1.png  blank", "zz" * 32])
def test_a_line_without_a_hash_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(f"# one\n{line}\n")
    with pytest.raises(DataError, match="line 2"):
        read_exclusions(file)


def test_a_file_that_was_moved_is_still_left_out(tmp_path: Path) -> None:
    images = folder(tmp_path / "a", {"cat/1.png": 1, "cat/2.png": 2, "dog/1.png": 3})
    line = Excluded(sha(tmp_path / "a/cat/1.png"), "train", "cat/1.png", "blank")
    shutil.move(tmp_path / "a/cat/1.png", tmp_path / "a/dog/elsewhere.png")
    kept, notes = exclude({"train": from_folder(tmp_path / "a")}, [line], "list.txt")
    assert names(kept["train"]) == ["cat/2.png", "dog/1.png"]
    assert notes == ["left out by list.txt: 1 of train"]
    assert len(images) == 3


def test_of_several_copies_the_named_one_goes(tmp_path: Path) -> None:
    images = folder(tmp_path, {"cat/1.png": 1, "cat/2.png": 1, "cat/3.png": 1, "dog/1.png": 3})
    digest = sha(tmp_path / "cat/1.png")
    lines = [Excluded(digest, "train", f"cat/{number}.png", "exact_copy") for number in (3, 1)]
    kept, _ = exclude({"train": images}, lines, "list")
    assert names(kept["train"]) == ["cat/2.png", "dog/1.png"]


def test_a_line_of_train_never_takes_a_test_image(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", {"cat/1.png": 1, "dog/1.png": 2})
    test = folder(tmp_path / "test", {"cat/1.png": 9, "dog/1.png": 4})
    digest = sha(tmp_path / "test/cat/1.png")
    sets = {"train": train, "test": test}
    for split in ("train", "val"):
        kept, notes = exclude(sets, [Excluded(digest, split, "cat/1.png", "leak")], "list")
        assert names(kept["test"]) == names(test)
        assert notes == ["1 of 1 lines of list name no image that is here"]
    kept, _ = exclude(sets, [Excluded(digest, "test", "cat/1.png", "blank")], "list")
    assert names(kept["test"]) == ["dog/1.png"]


def test_a_set_of_another_name_is_taken_from_train_first(tmp_path: Path) -> None:
    train = folder(tmp_path / "train", {"cat/1.png": 1, "dog/1.png": 2})
    test = folder(tmp_path / "test", {"cat/1.png": 1, "dog/1.png": 4})
    line = Excluded(sha(tmp_path / "test/cat/1.png"), "photos", "old/name.png", "leak")
    kept, _ = exclude({"test": test, "train": train}, [line], "list")
    assert (names(kept["train"]), names(kept["test"])) == (["dog/1.png"], names(test))


def test_val_that_was_cut_from_train_is_found_in_train(tmp_path: Path) -> None:
    train = folder(tmp_path, {"cat/1.png": 1, "dog/1.png": 2})
    line = Excluded(sha(tmp_path / "cat/1.png"), "val", "cat/1.png", "blank")
    assert names(exclude({"train": train}, [line], "list")[0]["train"]) == ["dog/1.png"]


def test_nothing_left_is_an_error(tmp_path: Path) -> None:
    train = folder(tmp_path, {"cat/1.png": 1})
    line = Excluded(sha(tmp_path / "cat/1.png"), "train", "cat/1.png", "blank")
    with pytest.raises(DataError, match="excludes every image"):
        exclude({"train": train}, [line], "list")
