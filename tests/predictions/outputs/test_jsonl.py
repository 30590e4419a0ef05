"""JSON lines: numbers in full, null for what is not there."""

from pathlib import Path

from adapt.predictions.outputs.base import TABLES


def test_lines(tmp_path: Path) -> None:
    with TABLES.table()["jsonl"](tmp_path / "a.jsonl", ["path", "confidence"]) as add:
        add({"confidence": 2 / 3, "path": "ä.png"})
        add({"path": "n\udce9.png", "confidence": None})
    assert (tmp_path / "a.jsonl").read_bytes() == (
        '{"path": "ä.png", "confidence": 0.6666666666666666}\n'
        '{"path": "n\\udce9.png", "confidence": null}\n'
    ).encode()


def test_kinds_of_cells(tmp_path: Path) -> None:
    columns = ["top1", "abstained", "set"]
    with TABLES.table()["jsonl"](tmp_path / "a.jsonl", columns) as add:
        top = [{"label": "cat", "probability": 2 / 3}]
        add({"top1": top, "abstained": False, "set": ["cat", "dog"]})
        add(dict.fromkeys(columns))
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines() == [
        '{"top1": [{"label": "cat", "probability": 0.6666666666666666}], "abstained": false, '
        '"set": ["cat", "dog"]}',
        '{"top1": null, "abstained": null, "set": null}',
    ]
