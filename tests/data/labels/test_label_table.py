"""What a table says, to the letter: words that look like nothing, and lines in quotes."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapt.data.labels.label_table import csv_records, frame_table, read_table
from adapt.errors import DataError

WORDS = ["None", "nan", "NaN", "NA", "N/A", "null", "NULL", "<NA>", "NaT", "none", "inf", "-"]


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path)
    return str(caught.value).removeprefix(str(path))


def test_words_for_nothing_are_words(tmp_path: Path) -> None:
    lines = [f"{place}.png,{word},{word}" for place, word in enumerate(WORDS)]
    table = read_table(written(tmp_path, "\n".join(["path,label,group", *lines])))
    assert table.label == table.group == WORDS
    columns = {"path": [f"{place}.png" for place in range(len(WORDS))], "label": WORDS}
    pq.write_table(pa.table(columns), tmp_path / "words.parquet")
    assert read_table(tmp_path / "words.parquet").label == WORDS
    assert frame_table(pd.DataFrame(columns)).label == WORDS


@pytest.mark.parametrize("cell", ["", "  ", '""', "\u2003"])
def test_an_empty_cell_is_no_label(tmp_path: Path, cell: str) -> None:
    path = written(tmp_path, f"path,label\n\n1.png,cat\n2.png,{cell}\n")
    assert refusal(path).startswith(", line 4, column 'label' - no value - ")


@pytest.mark.parametrize("value", [None, np.nan, pd.NA, pd.NaT])
def test_a_missing_value_of_a_frame_is_no_label(value: object) -> None:
    labels = pd.Series(["cat", value], dtype=object)
    frame = pd.DataFrame({"path": ["1.png", "2.png"], "label": labels})
    with pytest.raises(DataError, match=r"^<frame>, row 1, column 'label' - no value - ''"):
        frame_table(frame)


@pytest.mark.parametrize(
    "labels", [pa.array(["1", None]), pa.array([1, None]), pa.array([None, None], pa.string())]
)
def test_null_in_parquet_is_no_label(tmp_path: Path, labels: pa.Array) -> None:
    """Also beside integers, which pandas would make floats."""
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"path": ["1.png", "2.png"], "label": labels}), path)
    row = 0 if labels.null_count == 2 else 1
    assert refusal(path).startswith(f", row {row}, column 'label' - no value - ''")


def test_whole_numbers_in_parquet_are_names(tmp_path: Path) -> None:
    columns = {"path": ["1.png", "2.png"], "label": [7, 10], "note": pa.array([None, 2])}
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    table = read_table(tmp_path / "labels.parquet")
    assert (table.label, table.others) == (["7", "10"], {"note": ["", "2"]})


ENDS = ["\n", "\r\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]


@pytest.mark.parametrize("sign", ENDS)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_signs_in_quotes_end_no_line(tmp_path: Path, sign: str, newline: str) -> None:
    quoted = [f'1.png,"hot{sign}dog",a', f'"2{sign}.png",cat,"b{sign}c"']
    rows = ["path,label,note", *quoted, "3.png,cat,d"]
    table = read_table(written(tmp_path, newline.join(rows) + newline))
    assert table.label == [f"hot{sign}dog", "cat", "cat"]
    assert table.path == ["1.png", f"2{sign}.png", "3.png"]
    assert table.others == {"note": ["a", f"b{sign}c", "d"]}


@pytest.mark.parametrize("sign", [sign for sign in ENDS if sign.strip("\r\n")])
def test_other_signs_end_no_line_outside_quotes_either(tmp_path: Path, sign: str) -> None:
    table = read_table(written(tmp_path, f"path,label\n1.png,hot{sign}dog\n2.png,cat\n"))
    assert table.label == [f"hot{sign}dog", "cat"]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.sampled_from(",;\t"))
def test_what_was_quoted_by_hand_is_read(rows: list[tuple[str, str]], separator: str) -> None:
    def line(cells: tuple[str, ...]) -> str:
        return separator.join('"' + cell.replace('"', '""') + '"' for cell in cells)

    text = separator.join(["path", "label"]) + "\n" + "\n".join(map(line, rows)) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        header, _, records = csv_records(written(Path(folder), text))
    assert header == ["path", "label"]
    kept = [list(row) for row in rows if any(cell.strip() for cell in row)]
    assert records == kept


def test_rows_are_named_by_their_first_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'path,label\n"1\n.png","a\nb"\n2.png,\n')
    assert refusal(path).startswith(", line 5, column 'label' - no value")
    wide = written(tmp_path, 'path,label\n"1\n.png",cat\n2.png,a,b\n')
    assert refusal(wide).startswith(", line 4 - wrong number of cells - 3 for 2 columns")
