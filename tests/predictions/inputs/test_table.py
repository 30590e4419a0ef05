"""Paths of CSV and Parquet tables, row by row, every row checked before the first is taken."""

from pathlib import Path

import pandas as pd
import pytest

from adapt.errors import DataError
from adapt.predictions.inputs.base import Reading


def names(path: Path) -> list[str]:
    return [item.name for item in Reading(str(path)).items()]


def test_both_kinds_of_tables(tmp_path: Path) -> None:
    frame = pd.DataFrame({"label": ["?", "?", "?"], "path": ["y.png", "sub/x.png", "/abs/z.png"]})
    frame.to_csv(tmp_path / "list.csv", index=False, encoding="utf-8-sig")
    frame.to_csv(tmp_path / "list.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "list.parquet")
    for name in ("list.csv", "list.tsv", "list.parquet"):
        expected = [str(tmp_path / "y.png"), str(tmp_path / "sub/x.png"), "/abs/z.png"]
        assert names(tmp_path / name) == expected
        assert Reading(str(tmp_path / name)).count() == 3


@pytest.mark.parametrize(("name", "content", "expected"), [
    ("latin.csv", "path\nn\xe9.png\n".encode("latin-1"), "not UTF-8 text"),
    ("wide.csv", "path\na.png\n".encode("utf-16"), "not UTF-8 text"),
    ("ragged.csv", b"path,x\na.png,1\nb.png\n", "row 2 - wrong number of cells - 1 for 2"),
    ("shifted.csv", b"path\na.png,cat\n", "row 1 - wrong number of cells - 2 for 1"),
    ("quote.csv", b'path\n"a.png\n', "cannot be read as CSV"),
    ("gap.csv", b"path,x\n,1\n", "row 1 - no path"),
    ("junk.parquet", b"PAR1" + bytes(99), "cannot be read as Parquet"),
    ("empty.parquet", b"", "cannot be read as Parquet"),
    ("empty.csv", b"", "no column 'path'"),
    ("late.csv", b"path,x\n" + 9999 * b"a.png,1\n" + b"b.png\n", "row 10000 - wrong number"),
])  # fmt: skip
def test_tables_that_cannot_be_read(
    name: str, content: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    items = Reading(str(tmp_path / name)).items()
    with pytest.raises(DataError) as caught:
        next(items)
    assert expected in str(caught.value)


def test_a_null_in_parquet_is_no_path(tmp_path: Path) -> None:
    pd.DataFrame({"path": ["a.png", None]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 2 - no path - given None"):
        names(tmp_path / "a.parquet")


def test_separators_and_marks_of_spreadsheets(tmp_path: Path) -> None:
    for text in ("\ufeffpath;x\na b.png;1\n", "path\tx\na b.png\t1\n\n", 'x,path\n1,"a b.png"\n'):
        (tmp_path / "list.csv").write_text(text, encoding="utf-8")
        assert names(tmp_path / "list.csv") == [str(tmp_path / "a b.png")]
