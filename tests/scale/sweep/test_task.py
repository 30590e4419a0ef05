"""What is known of a run from its files."""

import json
from pathlib import Path

import pytest

from adapt.errors import RunError
from adapt.scale.sweep.task import RunOutcome, SweepTask, digest_of, outcome_of


@pytest.fixture
def task(tmp_path: Path) -> SweepTask:
    return SweepTask("a", str(tmp_path), "lora", None, ["seed=1", "x='ä\n'"], "0", "/")


def test_a_task_is_one_line(task: SweepTask) -> None:
    line = task.to_line()
    assert line.count("\n") == 1
    assert SweepTask.from_line(line.encode()) == task


def test_the_state_of_a_run(task: SweepTask) -> None:
    assert outcome_of(task).state == "waiting"
    task.folder.mkdir(parents=True)
    assert outcome_of(task).state == "waiting"
    (task.folder / "recipe.yaml").write_text("")
    assert outcome_of(task).state == "stopped"
    RunOutcome("stopped", "", 1.0).write(task)
    assert not task.outcome_file.exists()
    RunOutcome("failed", "out of luck", 1.0).write(task)
    assert outcome_of(task) == RunOutcome("failed", "out of luck", 1.0)
    RunOutcome("finished", "", 2.0).write(task)
    assert outcome_of(task).state == "stopped"  # the scores are gone
    (task.folder / "scores.json").write_text("{}")
    assert outcome_of(task) == RunOutcome("finished", "", 2.0)


@pytest.mark.parametrize("text", ["", "[1]", json.dumps({"status": "finished"})])
def test_a_damaged_record_is_named(task: SweepTask, text: str) -> None:
    task.outcome_file.parent.mkdir()
    task.outcome_file.write_text(text)
    with pytest.raises(RunError, match=r"outcomes/a.json - cannot be read - .* - delete it"):
        outcome_of(task)


def test_the_digest_sees_every_setting() -> None:
    assert digest_of({"a": {"b": 1}}) == digest_of({"a": {"b": 1}})
    assert digest_of({"a": {"b": 1}}) != digest_of({"a": {"b": 2}})
