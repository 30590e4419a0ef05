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
