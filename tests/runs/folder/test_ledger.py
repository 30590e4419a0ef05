"""How often test sets were opened is counted by their content."""

import hashlib
import json
from pathlib import Path

import pytest

from adapt.errors import RunError
from adapt.runs.folder.ledger import FILE, eval_hashes, open_tests, read_ledger


def test_the_ledger_tells_sets_by_content(tmp_path: Path) -> None:
    assert open_tests(tmp_path, {"test": "aa"}, "first", "a") == {"test": 1}
    assert open_tests(tmp_path, {"again": "aa", "other": "bb"}, "second", "b") == {
        "again": 2,
        "other": 1,
    }
    assert [opening["purpose"] for opening in read_ledger(tmp_path)] == [
        "first",
        "second",
        "second",
    ]


def test_a_set_is_its_files_and_labels_in_any_order() -> None:
    rows = [{"sha256": "b", "label": "cat"}, {"sha256": "a", "label": "dog"}]
    manifest = {"splits": {"test": rows, "again": rows[::-1], "other": rows[:1]}}
    hashes = eval_hashes(manifest, ["test", "again", "other", "blurred"])
    assert set(hashes) == {"test", "again", "other"}
    assert hashes["test"] == hashes["again"] != hashes["other"]
    expected = hashlib.sha256(json.dumps([("b", "cat")]).encode()).hexdigest()
    assert hashes["other"] == expected


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"openings": 1}'])
def test_an_unreadable_ledger_is_not_zero(text: str, tmp_path: Path) -> None:
    assert read_ledger(tmp_path) == []
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match="not a ledger"):
        read_ledger(tmp_path)
