"""CSV: six digits, no formulas, and names that are no UTF-8."""

from pathlib import Path

from adapt.predictions.outputs.base import TABLES


def test_cells(tmp_path: Path) -> None:
    with TABLES.table()["csv"](tmp_path / "a.csv", ["path", "confidence", "error"]) as add:
        add({"path": "=1+1.png", "confidence": 2 / 3, "error": None})
        add({"path": "n\udce9,.png", "confidence": None, "error": "-2"})
    expected = b"path,confidence,error\r\n'=1+1.png,0.666667,\r\n\"n\\udce9,.png\",,'-2\r\n"
    assert (tmp_path / "a.csv").read_bytes() == expected


def test_lists_and_truth_values_are_text(tmp_path: Path) -> None:
    columns = ["confidence", "top2", "abstained", "set"]
    top = [{"label": "=cat", "probability": 2 / 3}, {"label": "dog", "probability": 0.25}]
    with TABLES.table()["csv"](tmp_path / "a.csv", columns) as add:
        add({"confidence": 2 / 3, "top2": top, "abstained": False, "set": ["cat", "dog"]})
        add(dict.fromkeys(columns))
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["0.666667,'=cat=0.6667; dog=0.2500,false,cat; dog", ",,,"]
