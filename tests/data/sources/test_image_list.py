"""Folders and tables: the same images by name, junk left out, traps refused by exact place."""

import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from adapt.common.content import content_hash
from adapt.data.labels.classes import ClassName
from adapt.data.shifts.shift import Shift, apply_shift, shift_seed
from adapt.data.sources.embedded import EMBEDDED, from_embedded
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_frame, from_table
from adapt.errors import DataError


def draw(path: Path, shade: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), (shade, 0, 0)).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(["dog/b.png", "dog/a.png", "cat/10.png", "cat/2.png"]):
        draw(tmp_path / "photos" / name, number)
    return tmp_path / "photos"


def refused(function: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments, **options)
    assert caught.value.exit_code == 3
    return str(caught.value)


def relatives(images: ImageList) -> list[str]:
    return [images.relative(index) for index in range(len(images))]


def test_folder(root: Path) -> None:
    images = from_folder(root)
    assert relatives(images) == ["cat/10.png", "cat/2.png", "dog/a.png", "dog/b.png"]
    assert images.labels == ["cat", "cat", "dog", "dog"]
    assert images.class_names == ["cat", "dog"]
    assert images.counts() == {"cat": 2, "dog": 2}
    assert images.notes == []
    assert images.open(3).getpixel((0, 0)) == (0, 0, 0)
    assert repr(images) == f"Images(4 in 2 classes, root={str(root)!r})"


def test_import_needs_no_torch() -> None:
    code = "import adapt.data.sources.image_list, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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


def test_words(root: Path) -> None:
    given = {"cat": ClassName("cat", "house cat"), "dgo": ClassName("dgo", "dog")}
    images = from_folder(root, given)
    assert [images.classes[key].words for key in images.class_names] == ["house cat", "dog"]
    assert images.notes == ["1 named classes do not occur: 'dgo', did you mean 'dog'?"]
    same = {"cat": ClassName("cat", "Dog")}
    assert "'cat' and 'dog' are both 'dog'" in refused(from_folder, root, same)


def test_numeric_names_survive(tmp_path: Path) -> None:
    for name in ("1", "2", "10"):
        draw(tmp_path / name / "1.png")
    images = from_folder(tmp_path)
    assert images.class_names == ["1", "10", "2"]
    assert images.targets(["10", "2", "1"]).tolist() == [2, 0, 1]
    assert images.notes[0].startswith("3 class names have no letter (1, 10, 2)")


def test_targets_join_by_name(root: Path) -> None:
    images = from_folder(root)
    targets = images.targets(["dog", "cat", "fox"])
    assert targets.tolist() == [1, 1, 0, 0]
    assert targets.dtype == np.int64
    assert refused(images.targets, ["cat", "dogs"]) == (
        f"{root}/dog/a.png - unknown class - 'dog', did you mean 'dogs'? - known are: cat, dogs"
    )


def test_subset_and_shift(root: Path) -> None:
    images = from_folder(root)
    part = images.subset(np.array([3, 0]))
    assert relatives(part) == ["dog/b.png", "cat/10.png"]
    assert "no images" in refused(images.subset, [])
    shifted = images.with_shift(Shift("gaussian_noise", 3))
    expected = apply_shift(
        np.asarray(images.open(1)), "gaussian_noise", 3, shift_seed(content_hash(images.paths[1]))
    )
    np.testing.assert_array_equal(np.asarray(shifted.open(1)), expected)
    assert (expected != np.asarray(images.open(1))).any()
    moved = shifted.subset([1])
    np.testing.assert_array_equal(np.asarray(moved.open(0)), expected)
    assert images.shift is None


LINES = ["path,label,split,group", "dog/b.png,dog,train,g1", "dog/a.png,dog,test,g2"]
LINES += ["cat/10.png,cat,train,g1", "cat/2.png,cat,train,g3"]


def table(root: Path, lines: list[str], encoding: str = "utf-8", name: str = "labels.csv") -> Path:
    path = root / name
    path.write_text("\n".join(lines), encoding=encoding)
    return path


def test_table_equals_folder(root: Path) -> None:
    folder = from_folder(root)
    plain = table(root, LINES)
    bom = table(root, [line.replace(",", ";") for line in LINES], "utf-8-sig", "bom.csv")
    parquet = root / "labels.parquet"
    pd.read_csv(plain).to_parquet(parquet)
    for path in (plain, bom, parquet):
        images = from_table(path, root)
        assert (images.paths, images.labels, images.root) == (
            folder.paths,
            folder.labels,
            folder.root,
        )
        assert images.groups == ["g1", "g3", "g2", "g1"]
        assert images.splits == ["train", "train", "test", "train"]
        assert relatives(from_table(path, split="test")) == ["dog/a.png"]
    framed = from_frame(pd.read_csv(plain), root, "train")
    assert relatives(framed) == ["cat/10.png", "cat/2.png", "dog/b.png"]


def test_table_words_and_integer_labels(root: Path) -> None:
    path = table(root, ["Path,LABEL,note", "dog/b.png,1,x", "", 'cat/2.png,2,"a, b"'])
    images = from_table(path, classes={"1": ClassName("1", "dog"), "2": ClassName("2", "cat")})
    assert [images.classes[key].words for key in images.class_names] == ["dog", "cat"]
    frame = pd.DataFrame({"path": ["dog/b.png"], "label": [1]})
    assert from_frame(frame, root).labels == ["1"]


BAD_TABLES = {
    "path,lable\na.png,x": "no column 'label' - given ['path', 'lable'], did you mean 'lable'?",
    "path,label\ndog/a.png,dog\ncat/2.png,": ", line 3, column 'label' - no value - ''",
    "path,label\n\ndog/a.png,dog\ncat/2.png,NaN": ", line 4, column 'label' - no value - 'NaN'",
    "path,label\ndog/a.png,dog\n../x.png,dog": ", line 3, column 'path' - leads out of the root - ",
    "path,label\n/etc/passwd,dog": ", line 2, column 'path' - leads out of the root - '/etc/pass",
    "path,label\ndog/a.png,dog\ndog/./a.png,cat": ", line 3, column 'path' - listed twice - "
    "'dog/./a.png' as 'dog' in line 2 and as 'cat' here",
    "path,label\ndog/a.png,dog,x": ", line 2 - wrong number of cells - 3 for 2 columns",
    'path,label\ndog/a.png,dog\n"cat/2.png,cat': "cannot be read as CSV",
    "path,label\n": " - no images - 0 rows below the header",
    "": " - no column 'path' - given []",
    "path,label,label\na,b,c": ", column 'label' - is listed twice",
    "path,label\nnone/1.png,dog": " - not one of its images is there - 'none/1.png' under ",
    "path,label\ndog\\a.png,dog": "write / in place of \\",
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_tables_that_cannot_be_used(root: Path, text: str) -> None:
    path = table(root, [text])
    message = refused(from_table, path)
    assert message.startswith(str(path))
    assert BAD_TABLES[text] in message


def test_table_encoding_split_and_suffix(root: Path) -> None:
    path = table(root, ["path,label", "dog/a.png,dog", "cat/2.png,Caf\u00e9"], "latin-1")
    assert refused(from_table, path).startswith(f"{path}, line 3 - not UTF-8 - byte 0xe9")
    path = table(root, LINES)
    message = refused(from_table, path, split="tset")
    assert "no such split - 'tset', did you mean 'test'? - choose from test, train" in message
    assert "no column 'split'" in refused(
        from_table, table(root, ["path,label", "dog/a.png,dog"]), split="test"
    )
    assert "not a table - given '.xlsx'" in refused(from_table, table(root, ["x"], name="a.xlsx"))
    (root / "bad.parquet").write_bytes(b"PAR1 nonsense")
    assert "cannot be read as Parquet" in refused(from_table, root / "bad.parquet")
    frame = pd.DataFrame({"path": ["dog/a.png", "cat/2.png"], "label": ["dog", None]})
    assert refused(from_frame, frame, root).startswith("<frame>, row 1, column 'label' - no value")
    frame["label"] = [1.5, 2.0]
    assert "row 0, column 'label' - not text - 1.5 is float" in refused(from_frame, frame, root)


def test_table_links_stay_under_the_root(root: Path, tmp_path: Path) -> None:
    draw(tmp_path / "secret.png")
    (root / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    path = table(root, ["path,label", "cat/link.png,cat"])
    assert "line 2, column 'path' - leads out of the root" in refused(from_table, path)


def test_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "shapes/ink/train/alarm_clock/1.png")
    draw(tmp_path / "shapes/ink/train/cat/1.png")
    (tmp_path / "shapes/classes.yaml").write_text("alarm_clock: clock\nfox: fox\n")
    monkeypatch.setattr("adapt.data.sources.embedded.EMBEDDED", tmp_path)
    images = from_embedded("shapes", "ink", "train")
    assert [images.classes[key].words for key in images.class_names] == ["clock", "cat"]
    assert images.notes == []
    for wrong in (
        ("shape", "ink", "train"),
        ("shapes", "inc", "train"),
        ("shapes", "ink", "trian"),
    ):
        assert "did you mean" in refused(from_embedded, *wrong)


@pytest.mark.skipif(not (EMBEDDED / "pictograms").is_dir(), reason="pictograms are not built yet")
def test_pictograms_can_be_opened() -> None:
    for domain in sorted(p.name for p in (EMBEDDED / "pictograms").iterdir() if p.is_dir()):
        images = from_embedded("pictograms", domain, "test")
        assert images.open(0).mode == "RGB"


def test_other_columns_travel_with_their_images(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"{name}.png")
    table = tmp_path / "t.csv"
    table.write_text("path,label,Light,weight\nb.png,cup,night,1.5\na.png,cup,day,\nc.png,jug,,2\n")
    images = from_table(table)
    assert [Path(path).stem for path in images.paths] == ["a", "b", "c"]
    assert images.columns == {"light": ["day", "night", ""], "weight": ["", "1.5", "2"]}
    assert images.subset([1]).columns == {"light": ["night"], "weight": ["1.5"]}
    frame = pd.DataFrame(
        {
            "path": ["b.png", "a.png"],
            "label": ["cup", "cup"],
            "light": ["night", None],
            "weight": [1.5, float("nan")],
            "box": [[1, 2], [3, 4]],
        }
    )
    assert from_frame(frame, tmp_path).columns == {"light": ["", "night"], "weight": ["", "1.5"]}
