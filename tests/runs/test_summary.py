"""What `scores.json` holds: equal runs say equal things, whenever they were made."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.runs.run import run
from tests.helpers.killed import recipe


def test_two_runs_are_byte_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = recipe(tmp_path, "linear_probe", 0)
    written: list[dict[str, Any]] = []
    for number in range(2):
        monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / f"cache-{number}"))
        done = run(path, [], tmp_path / str(number) / "run")
        assert done.seconds["total"] >= done.seconds["fit"] > 0
        written.append(json.loads((done.folder / "scores.json").read_text(encoding="utf-8")))
        assert written[number]["name"] == "run"
        assert "seconds" not in written[number]
    assert written[0] == written[1]
    texts = [(tmp_path / str(number) / "run" / "scores.json").read_bytes() for number in range(2)]
    assert texts[0] == texts[1]
