"""Means, ranges, order and ties against numpy; what may rank and what may not."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from adapt.errors import RunError
from adapt.scale.sweep.results import content_of, write_results
from adapt.scale.sweep.task import RunOutcome, SweepTask
from tests.helpers.sweeps import made_up_plan, made_up_tasks, write_scores

VAL = {"0.1": [0.70, 0.74, 0.69], "0.2": [0.71, 0.73, 0.72], "0.3": [0.5, 0.52, 0.51]}
TEST = {"0.1": [0.9, 0.8, 0.7], "0.2": [0.6, 0.5, 0.4], "0.3": [0.99, 0.98, 0.97]}
NAMES = list(VAL)


@pytest.fixture
def tasks(tmp_path: Path) -> list[SweepTask]:
    """Three learning rates, three seeds; what is best on test is worst on val."""
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    tasks = made_up_tasks(plan, tmp_path)
    for place, task in enumerate(tasks):
        lr, seed = NAMES[place // 3], place % 3
        write_scores(task, val=VAL[lr][seed], test=TEST[lr][seed])
    return tasks


def test_settings_are_ranked_on_val_with_means_and_ranges(tasks: list[SweepTask]) -> None:
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    content = content_of(plan, tasks, {t.name: RunOutcome("finished", "", 1.0) for t in tasks})
    by_mean = sorted(VAL, key=lambda lr: -np.mean(VAL[lr]))
    assert [entry["settings"]["lr"] for entry in content["settings"]] == [float(x) for x in by_mean]
    assert by_mean[0] != max(TEST, key=lambda lr: np.mean(TEST[lr]))
    assert content["best"] == {"lr": float(by_mean[0])}
    for lr, entry in zip(by_mean, content["settings"], strict=True):
        for measure, values in (("val", VAL[lr]), ("test", TEST[lr])):
            stored = entry[measure]
            assert stored["mean"] == pytest.approx(np.mean(values))
            assert (stored["low"], stored["high"], stored["n"]) == (min(values), max(values), 3)
    scores = json.loads((tasks[0].folder / "scores.json").read_text())
    shifts = list(scores["data"]["evals"])[1:]
    for name, model in (("shift_mean", "ensemble"), ("zero_shot_shift_mean", "zero_shot")):
        stored = content["runs"][0][name]
        mean = np.mean([scores["models"][model][shift]["accuracy"] for shift in shifts])
        assert stored == pytest.approx(mean)
    assert content["openings"] == 9


def test_a_tie_is_what_chance_explains(tasks: list[SweepTask]) -> None:
    """The intervals are 4 points wide, so one standard error is a point, and a tie 2.83 of 2.77."""
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    done = {t.name: RunOutcome("finished", "", 1.0) for t in tasks}
    first, second, third = content_of(plan, tasks, done)["settings"]
    assert first["standard_error"] == pytest.approx(0.02 / 1.96, rel=1e-4)
    limit = 1.96 * np.sqrt(2) * first["standard_error"]
    assert abs(first["val"]["mean"] - second["val"]["mean"]) < limit
    assert (first["tied"], second["tied"], third["tied"]) == (True, True, False)
    for edge, tied in ((limit * 0.99, True), (limit * 1.01, False)):
        for task in tasks[:3]:
            write_scores(task, val=float(np.mean(VAL["0.2"]) - edge), test=0.5)
        moved = content_of(plan, tasks, done)["settings"]
        entry = next(entry for entry in moved if entry["settings"] == {"lr": 0.1})
        assert entry["tied"] is tied


def test_lower_is_better_where_it_is(tasks: list[SweepTask]) -> None:
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    for place, task in enumerate(tasks):
        scores = json.loads((task.folder / "scores.json").read_text())
        scores["models"]["ensemble"]["val"]["nll"] = (2.0, 3.0, 1.0)[place // 3]
        scores["models"]["ensemble"]["val"]["ece"] = (0.2, 0.1, 0.3)[place // 3]
        (task.folder / "scores.json").write_text(json.dumps(scores))
    done = {t.name: RunOutcome("finished", "", 1.0) for t in tasks}
    by_nll, by_ece = (content_of(plan, tasks, done, name)["settings"] for name in ("nll", "ece"))
    assert [entry["settings"]["lr"] for entry in by_nll] == [0.3, 0.1, 0.2]
    assert [entry["settings"]["lr"] for entry in by_ece] == [0.2, 0.1, 0.3]
    assert {entry["tied"] for entry in by_ece} == {None}  # it has no interval


def test_runs_that_did_not_finish(tasks: list[SweepTask]) -> None:
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    states = ["finished", "failed", "finished", *["failed"] * 3, "stopped", "waiting", "waiting"]
    done = {t.name: RunOutcome(s, "why", 1.0) for t, s in zip(tasks, states, strict=True)}
    content = content_of(plan, tasks, done)
    assert [(entry["finished"], entry["of"]) for entry in content["settings"]] == [
        (2, 3), (0, 3), (0, 3),
    ]  # fmt: skip
    assert content["settings"][0]["val"]["mean"] == pytest.approx(np.mean([0.70, 0.69]))
    assert content["settings"][1]["val"] is None
    assert [row["state"] for row in content["runs"]] == states
    none = content_of(plan, tasks, {t.name: RunOutcome("failed", "why", 1.0) for t in tasks})
    assert none["best"] is None


def test_the_table_has_a_row_for_each_run(tasks: list[SweepTask], tmp_path: Path) -> None:
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    done = {t.name: RunOutcome("finished", "", 1.0) for t in tasks}
    done[tasks[4].name] = RunOutcome("failed", "=cmd()", 1.0)
    content = content_of(plan, tasks, done)
    written = write_results(tmp_path, content)
    assert json.loads(written[0].read_text()) == json.loads(json.dumps(content))
    with written[1].open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [task.name for task in tasks]
    assert [row["lr"] for row in rows] == [lr for lr in NAMES for _ in range(3)]
    assert float(rows[5]["test"]) == TEST["0.2"][2] == float(rows[5]["eval_test"])
    assert (rows[4]["state"], rows[4]["reason"], rows[4]["val"]) == ("failed", "'=cmd()", "")


def test_damaged_scores_are_named(tasks: list[SweepTask]) -> None:
    plan = made_up_plan(["lr=0.1,0.2,0.3", "seed=0..2"])
    (tasks[2].folder / "scores.json").write_text("[")
    done = {t.name: RunOutcome("finished", "", 1.0) for t in tasks}
    with pytest.raises(RunError, match=r"seed-2/scores.json - cannot be read"):
        content_of(plan, tasks, done)
