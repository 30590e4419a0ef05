"""What a sweep would take."""

from pathlib import Path
from typing import Any

import pytest

from adapt.errors import RecipeError
from adapt.recipe.load import load
from adapt.scale.sweep import forecast
from adapt.scale.sweep.forecast import MOST_PLANNED, Forecast, run_seconds, speed_of
from adapt.scale.sweep.plan import make_plan
from adapt.scale.sweep.results import content_of, write_results
from adapt.scale.sweep.run import tasks_of
from adapt.scale.sweep.settings import SweepOptions
from adapt.scale.sweep.task import RunOutcome, outcome_of
from adapt.scale.sweep.values import read_words
from adapt.training.runtime import processors
from tests.helpers.sweeps import write_scores

LR = "method.optim.lr=1e-4,3e-4"
PLAN = {
    "memory_gib": 0.5,
    "device": "cpu",
    "images": {"train": 100, "val": 10, "test": 20},
    "steps": 10,
    "settings": {"method": {"optim": {"batch_size": 64}}},
}


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was planned; the machine decodes nothing and encodes 100 images a second."""
    seen: list[Any] = []

    def plan_of_run(loaded: Any) -> dict[str, Any]:
        seen.append(loaded.resolved)
        return {**PLAN, "memory_gib": 0.5 + 1000 * loaded.resolved["method"]["optim"]["lr"]}

    monkeypatch.setattr(forecast, "plan_of_run", plan_of_run)
    monkeypatch.setattr(forecast, "speed_of", lambda _: (0.0, 0.01))
    return seen


def ahead(*words: str, out: Path | None = None, at_once: int = 1) -> Forecast:
    """Of the quickstart."""
    options = SweepOptions(at_once=at_once)
    return forecast.forecast("quickstart", None, read_words(words), options, out)


def test_each_setting_is_planned_once_and_the_largest_counts(planned: list[Any]) -> None:
    given = ahead(LR, "seed=0..2")
    assert [plan["method"]["optim"]["lr"] for plan in planned] == [1e-4, 3e-4]
    assert given.memory_gib == pytest.approx(0.8)
    assert given.seconds == run_seconds(PLAN, 0.0, 0.01)
    assert given.total_seconds == pytest.approx(6 * given.seconds)
    assert given.sentences()[0] == "6 runs of 2 settings"
    assert "0.80 GiB on cpu for the run that needs most" in given.sentences()[2]


def test_of_many_settings_some_are_planned(planned: list[Any]) -> None:
    given = ahead("method.optim.epochs=1..50")
    assert len(planned) <= MOST_PLANNED
    assert planned[0]["method"]["optim"]["epochs"] == 1
    assert f"(of {len(planned)} looked at)" in given.sentences()[2]


def test_finished_runs_say_how_long_the_others_take(planned: list[Any], tmp_path: Path) -> None:
    plan = make_plan("quickstart", None, read_words([LR]))
    tasks = tasks_of(plan, tmp_path)
    write_scores(tasks[0])
    RunOutcome("finished", "", 1.0).write(tasks[0])
    write_results(tmp_path, content_of(plan, tasks, {t.name: outcome_of(t) for t in tasks}))
    given = ahead(LR, out=tmp_path)
    assert given.seconds == pytest.approx(401.2)
    assert [run.state for run in given.runs] == ["finished", "waiting"]
    assert given.total_seconds == pytest.approx(401.2)
    assert "(measured in 1 finished run)" in given.sentences()[1]
    with pytest.raises(RecipeError, match="holds another sweep"):
        ahead("seed=0,1", out=tmp_path)
    assert planned


def test_the_larger_of_decoding_and_computing_counts() -> None:
    still = run_seconds(PLAN, 0.0, 0.0)
    seen, passes = 640, 100 + 8 * 10 + 3 * 20
    assert run_seconds(PLAN, 0.0, 1.0) - still == pytest.approx(3 * seen + passes)
    decode = 10.0 * processors()
    assert run_seconds(PLAN, decode, 1.0) - still == pytest.approx(10 * seen + 10 * passes)
    none = {**PLAN, "steps": 0, "settings": {"method": {}}}
    assert run_seconds(none, 0.0, 1.0) - still == pytest.approx(passes)


def test_the_machine_is_measured() -> None:
    decode, forward = speed_of(load("quickstart", ["runtime.accelerator=cpu"]))
    assert 0 < decode < 5
    assert 0 < forward < 5
