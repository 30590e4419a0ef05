"""A run folder, read back: every file, and why one is None."""

import json
from pathlib import Path

import pytest

from adapt.errors import RunError
from adapt.report.record.read import RunRecord, read_run
from tests.helpers.report_fixture import make_run


def test_every_file_is_read_as_it_is(run: RunRecord) -> None:
    for name in ("scores", "curve", "reliability", "robustness", "uncertainty", "mistakes"):
        expected = json.loads((run.folder / f"{name}.json").read_text())
        assert getattr(run, name) == expected
    assert run.recipe == (run.folder / "recipe.yaml").read_text()
    header, *lines = (run.folder / "metrics.csv").read_text().splitlines()
    assert run.log is not None
    assert [list(row.values()) for row in run.log] == [line.split(",") for line in lines]
    assert list(run.log[0]) == header.split(",")


def test_absent_and_damaged_files_have_a_reason(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 2, 1)
    (folder / "curve.json").unlink()
    (folder / "robustness.json").write_text("[1]")
    (folder / "mistakes.json").write_text("{")
    run = read_run(folder)
    assert run.lacks("curve.json")
    assert run.lacks("robustness.json")
    assert not run.lacks("metrics.csv")
    assert run.reason("curve.json").startswith("curve.json is absent: the method has no alpha")
    expected = "robustness.json cannot be read: expected a JSON object, got a list"
    assert run.reason("robustness.json") == expected
    assert run.reason("mistakes.json").startswith("mistakes.json cannot be read: ")
    assert run.reason("metrics.csv") == "metrics.csv holds nothing that could be shown here"


def test_scores_without_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"models": [], "seed": 1}')
    with pytest.raises(RunError, match=r"holds no models - its keys are \['models', 'seed'\]"):
        read_run(tmp_path)
