"""Tables give what folders give, and say which row is wrong."""

from pathlib import Path

import pandas as pd

from adapt.data.labels.classes import ClassName
from adapt.data.sources.folders import from_folder
from adapt.data.sources.tables import from_frame, from_table
from tests.helpers.packed import draw, refused, relatives

LINES = [
    "path,label,split,group",
    "dog/b.png,dog,train,g1",
    "dog/a.png,dog,test,g2",
    "cat/2.png,cat,train,g3",
    "cat/10.png,cat,train,g1",
]


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


def test_table_split_and_suffix(root: Path) -> None:
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


def test_a_column_of_splits_under_another_name_is_noted(root: Path) -> None:
    lines = ["path,label,Set", "dog/a.png,dog,Train", "dog/b.png,dog,TEST"]
    note = (
        "column 'set' holds TEST, Train, but only a column `split` is read as the split: rename it"
    )
    assert note in from_table(table(root, lines)).notes
    both = [f"{line},{split}" for line, split in zip(lines, ["split", "a", "b"], strict=True)]
    assert not any("column 'set'" in said for said in from_table(table(root, both)).notes)
    years = [lines[0], *(line.replace("T", "19") for line in lines[1:])]
    assert not any("column 'set'" in said for said in from_table(table(root, years)).notes)
