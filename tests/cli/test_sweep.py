"""`adapt sweep`: what it prints, refuses and returns."""

import re
from pathlib import Path

import pytest

from adapt.cli.sweep import ROWS, table_of
from adapt.scale.sweep import engine as engine_module
from adapt.scale.sweep import run
from adapt.scale.sweep.task import RunOutcome, SweepTask
from tests.helpers.commands import call
from tests.helpers.sweeps import WORDS, engine_here, made_up_sweep, write_scores

LR = "method.optim.lr=1e-4,3e-4"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, RunOutcome]:
    """Runs end as this says, else they finish; nothing is computed."""
    endings: dict[str, RunOutcome] = {}

    def ended(task: SweepTask) -> RunOutcome:
        outcome = endings.get(task.name, RunOutcome("finished", "", 1.0))
        if outcome.state == "finished":
            write_scores(task, val=0.9 if "3e-4" in task.name else 0.5)
        return outcome

    monkeypatch.setattr(engine_module, "PAUSE", 0.0)
    monkeypatch.setitem(run.ENGINES, "local", engine_here(ended))
    return endings


def test_the_best_is_printed_with_its_model_and_page(
    engine: dict[str, RunOutcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    given = ["sweep", "quickstart", LR, "report.curve=none", "--out", out]
    assert call(monkeypatch, *given) == 0
    printed = capsys.readouterr()
    assert "method.optim.lr=0.0003 is best on val: 90.0 % on val" in printed.out
    assert f"model   {out}/runs/lr-3e-4/model" in printed.out
    assert f"page    {out}/sweep.html" in printed.out
    assert "lr-1e-4: finished, val 50.0 %" in printed.err
    assert call(monkeypatch, *given, "--quiet") == 0
    assert capsys.readouterr().err == ""
    assert engine == {}


def test_failed_runs_are_listed_last_with_exit_code_5(
    engine: dict[str, RunOutcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine["lr-1e-4"] = RunOutcome("failed", "no luck", 1.0)
    given = ["sweep", "quickstart", LR, "--out", tmp_path / "out"]
    assert call(monkeypatch, *given) == 5
    printed = capsys.readouterr()
    assert "FAILED  lr-1e-4: no luck" in printed.out
    assert "is best on val" in printed.out
    assert call(monkeypatch, *given) == 5
    assert "1 failed earlier; --retry-failed" in capsys.readouterr().err
    engine.clear()
    assert call(monkeypatch, *given, "--retry-failed") == 0
    engine["lr-1e-4"] = RunOutcome("stopped")
    assert call(monkeypatch, *given[:-1], tmp_path / "other") == 5
    assert "stopped lr-1e-4: the same command goes on with it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["quickstart", LR], 2, "--out - no folder - none given"),
        (["quickstart", "seed=1", "--out", "x"], 2, "no key has several values"),
        (["quickstart", LR, "--rank-by", "test", "--out", "x"], 2, "--rank-by - would choose by"),
        (["quickstart", LR, "--at-once", "0", "--out", "x"], 2, "--at-once - out of range - 0"),
        (["quickstart", LR, "--random", "5", "--out", "x"], 2, "--random - out of range"),
        (["quickstart", "seed=0,x", "--out", "x"], 2, "seed - wrong type - given 'x'"),
        (["quikstart", LR, "--out", "x"], 2, "did you mean 'quickstart'"),
    ],
)
@pytest.mark.usefixtures("engine")
def test_what_is_refused(
    words: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "sweep", *words) == code
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


def test_two_sweeps_in_one_folder(
    engine: dict[str, RunOutcome],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert call(monkeypatch, "sweep", "quickstart", LR, "--out", out) == 0
    assert call(monkeypatch, "sweep", "quickstart", "seed=0,1", "--out", out) == 2
    told = capsys.readouterr().err
    assert "holds another sweep" in told
    assert "keys.seed was nothing, is [0, 1]" in told
    assert engine == {}


def test_a_long_table_is_cut(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, ("lr=0..29",))
    table = table_of(content)
    assert table.row_count == ROWS
    assert re.search(r"; 10 more are in sweep.html", str(table.title))
    assert table_of(made_up_sweep(tmp_path / "b", WORDS)).row_count == 6


def test_the_plan_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from adapt.scale.sweep import forecast

    plan = {"memory_gib": 1.25, "device": "cpu", "images": {"train": 1, "val": 1}, "steps": 0,
            "settings": {"method": {}}}  # fmt: skip
    monkeypatch.setattr(forecast, "plan_of_run", lambda _: plan)
    monkeypatch.setattr(forecast, "speed_of", lambda _: (0.0, 0.01))
    out = tmp_path / "out"
    given = ["sweep", "quickstart", LR, "seed=0,1", "--plan", "--at-once", "2", "--out", out]
    assert call(monkeypatch, *given) == 0
    printed = capsys.readouterr().out
    assert "waiting   lr-1e-4_seed-0  method.optim.lr=1e-4 seed=0" in printed
    assert "4 runs of 2 settings" in printed
    assert "1.25 GiB on cpu for the run that needs most; 2 at once need 2.5 GiB" in printed
    assert not out.exists()
