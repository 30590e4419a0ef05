"""Several sources as one, and every kind of source in a recipe."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from adapt.common.content import content_hash
from adapt.data.image_data import ImageData
from adapt.data.images import Images
from adapt.data.labels.classes import ClassName
from adapt.data.shifts.shift import Shift
from adapt.data.sources.combine import combine
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_frame, from_table
from tests.helpers.packed import (
    class_files,
    image_bytes,
    refused,
    table_of,
    write_folder,
)

FILES = class_files()
OTHERS = class_files(3, ("dog", "eel"), seed=1000)


@pytest.fixture
def parts(tmp_path: Path) -> list[ImageList]:
    return [from_folder(write_folder(tmp_path / "a", FILES)),
            from_folder(write_folder(tmp_path / "deep" / "b", OTHERS))]  # fmt: skip


def test_union_by_name(tmp_path: Path, parts: list[ImageList]) -> None:
    whole = Images.combine(parts, ["mine", "theirs"])
    want = sorted(
        [(n.split("/")[0], f"a/{n}") for n, _ in FILES]
        + [(n.split("/")[0], f"deep/b/{n}") for n, _ in OTHERS]
    )
    assert whole.root == str(tmp_path)
    assert [(whole.labels[i], whole.relative(i)) for i in range(len(whole))] == want
    assert whole.counts() == {"cat": 6, "dog": 9, "eel": 3, "sea_lion": 6}
    assert whole.columns == {
        "source": ["theirs" if name.startswith("deep") else "mine" for _, name in want]
    }
    assert whole.groups is whole.splits is None
    assert whole.notes == ["mine: 1 classes are in other parts only: eel",
                           "theirs: 2 classes are in other parts only: cat, sea_lion"]  # fmt: skip


def test_splits_are_those_of_one_folder(tmp_path: Path, parts: list[ImageList]) -> None:
    renamed = [(f"{name.split('/')[0]}/x_{name.split('/')[1]}", c) for name, c in OTHERS]
    one = from_folder(write_folder(tmp_path / "one", FILES + renamed))
    for seed in range(3):
        got, want = ImageData.build(combine(parts), seed=seed), ImageData.build(one, seed=seed)
        for first, second in ((got.train, want.train), (got.val, want.val)):
            assert first is not None
            assert second is not None
            assert first.labels == second.labels
            assert [content_hash(p) for p in first.paths] == [content_hash(p) for p in second.paths]


def test_columns_groups_and_splits(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "a", FILES)
    other = write_folder(tmp_path / "b", OTHERS)
    rows = table_of(FILES).assign(group=["g", "h", "i"] * 6, site="north", source="web", split="x")
    first = from_frame(rows, root)
    second = from_frame(table_of(OTHERS).assign(group=["g", "h", "i"] * 2, age=3, split="y"), other)
    whole = combine([first, second])
    frame = pd.DataFrame({"group": whole.groups, "split": whole.splits, **whole.columns})
    assert dict(frame.groupby("source").size()) == {"1": 18, "2": 6}
    for name, part, length in (("1", rows, 6), ("2", OTHERS, 2)):
        got = frame[frame["source"] == name]
        assert dict(got.groupby("group").size()) == {f"{name}/{g}": length for g in "ghi"}
        assert set(got["split"]) == {"x" if name == "1" else "y"}
        assert set(got["site"]) == {"north" if name == "1" else ""}
        assert set(got["age"]) == {"" if name == "1" else "3"}
        assert set(got["given_source"]) == {"web" if name == "1" else ""}
        assert len(part) == len(got)
    alone = combine([first, replace(second, groups=None, splits=None)])
    assert alone.splits is None
    assert alone.groups is not None
    assert len(set(alone.groups)) == 3 + len(OTHERS)


def test_ungrouped_images_split_alike_wherever_they_lie(tmp_path: Path) -> None:
    got = []
    for place in ("x", "y/z"):
        grouped = from_frame(table_of(FILES).assign(group=[str(i % 9) for i in range(18)]),
                             write_folder(tmp_path / place / "a", FILES))  # fmt: skip
        data = ImageData.build(
            combine([grouped, from_folder(write_folder(tmp_path / place / "b", OTHERS))])
        )
        assert data.val is not None
        got.append([content_hash(path) for path in data.val.paths])
    assert got[0] == got[1]


def test_words(tmp_path: Path, parts: list[ImageList]) -> None:
    named = {"dog": ClassName("dog", "hound"), "cta": ClassName("cta", "house cat")}
    one = from_folder(tmp_path / "a", named)
    for whole in (combine([one, parts[1]]), combine([parts[1], one])):
        words = {key: name.words for key, name in whole.classes.items()}
        assert words == {"cat": "cat", "dog": "hound", "eel": "eel", "sea_lion": "sea lion"}
    other = replace(parts[1], classes={"dog": ClassName("dog", "puppy")})
    message = refused(combine, [one, other])
    assert "class 'dog' - two names for one class - 'hound' in 1, 'puppy' in 2" in message
    upper = from_folder(write_folder(tmp_path / "c", [("Dog/1.png", image_bytes(5))]))
    message = refused(combine, [parts[1], upper])
    assert "two classes have equal names - 'Dog' and 'dog' differ only in case" in message


def test_words_of_the_whole(tmp_path: Path, parts: list[ImageList]) -> None:
    numbers = from_folder(write_folder(tmp_path / "c", [("7/1.png", image_bytes(5))]))
    assert "3: 1 class names have no letter (7)" in combine([*parts, numbers]).notes[0]
    named = {
        "7": ClassName("7", "yak"),
        "eel": ClassName("eel", "moray", ("a {}",)),
        "ctt": ClassName("ctt", "x"),
    }
    whole = combine([*parts, numbers], None, named)
    words = [name.words for name in whole.classes.values()]
    assert words == ["yak", "cat", "dog", "moray", "sea lion"]
    assert [note for note in whole.notes if "other parts" not in note] == [
        "1 named classes do not occur: 'ctt', did you mean 'cat'?"
    ]


def test_what_cannot_be_combined(tmp_path: Path, parts: list[ImageList]) -> None:
    message = refused(combine, [parts[0], parts[0].subset([3])], ["a", "b"])
    assert message == f"{parts[0].paths[3]} - a file of two parts - in a and in b - keep it in one"
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert "a file of two parts" in refused(combine, [parts[0], from_folder(tmp_path / "link")])
    assert "no parts - 0 given" in refused(combine, [])
    assert "wrong names" in refused(combine, parts, ["a"])
    assert "wrong names" in refused(combine, parts, ["a", "a"])
    shift = Shift("gaussian_noise", 2)
    noisy = parts[1].with_shift(shift)
    assert "parts are corrupted unlike" in refused(combine, [parts[0], noisy])
    assert combine([part.with_shift(shift) for part in parts]).shift == shift


def test_tables_join_folders(tmp_path: Path, parts: list[ImageList]) -> None:
    root = write_folder(tmp_path / "c", OTHERS[:2])
    table_of(OTHERS[:2]).to_csv(root / "t.csv", index=False)
    whole = combine([parts[0], from_table(root / "t.csv")])
    assert whole.counts()["dog"] == 8
