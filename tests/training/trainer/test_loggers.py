"""Loggers: what the environment says is honoured, and none can stop a training."""

import sys
import threading
import types
from pathlib import Path
from typing import Any

import pytest

import adapt
from adapt.training.trainer import loggers
from adapt.training.trainer.epoch_log import EpochLog
from adapt.training.trainer.loggers import Guarded, make_loggers


def test_a_missing_logger_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("tensorboard", "wandb", "mlflow"):
        sentence = rf"runtime.loggers - .* - {name} - pip install 'adapt-clip\[{name}\]'"
        with pytest.raises(adapt.AdaptError, match=sentence):
            make_loggers([name], tmp_path, print)


def given(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, **variables: str) -> Any:
    """What a logger of Lightning's is made with."""
    for variable in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_DIR", "WANDB_NAME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    made: list[Any] = []
    fake = types.SimpleNamespace(
        WandbLogger=lambda *given, **named: made.append((given, named)),
        MLFlowLogger=lambda *given, **named: made.append((given, named)),
    )
    monkeypatch.setattr(loggers.pl, "loggers", fake)
    loggers._start(name, folder)
    return made[0]


def test_wandb_goes_online_only_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert given(monkeypatch, "wandb", tmp_path / "mine") == (
        ("mine", str(tmp_path / "mine")),
        {"offline": True, "project": "adapt"},
    )
    for mode in ("online", "disabled", "offline"):
        told = given(
            monkeypatch, "wandb", tmp_path, WANDB_MODE=mode, WANDB_PROJECT="p", WANDB_DIR="d",
            WANDB_NAME="n",
        )  # fmt: skip
        # The mode is left to wandb, which reads it itself.
        assert told == (("n", "d"), {"offline": False, "project": "p"})


def test_mlflow_writes_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    names, more = given(monkeypatch, "mlflow", tmp_path / "mine")
    assert names == ("adapt", "mine", None)
    assert more["save_dir"] == str(tmp_path / "mine" / "mlruns")
    told = {"MLFLOW_TRACKING_URI": "http://x", "MLFLOW_EXPERIMENT_NAME": "e", "MLFLOW_RUN_ID": "7"}
    names, more = given(monkeypatch, "mlflow", tmp_path, **told)
    assert (names[0], names[2], more["run_id"]) == ("e", "http://x", "7")


def test_wandb_is_started_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "check_loggers", lambda _: None)
    monkeypatch.setattr(loggers, "_start", lambda name, _: types.SimpleNamespace(name=name))
    first, *others = make_loggers(["tensorboard", "wandb", "mlflow"], tmp_path, print)
    assert isinstance(first, EpochLog)
    assert [logger.name for logger in others] == ["wandb", "tensorboard", "mlflow"]


def test_one_that_cannot_start_is_switched_off_once() -> None:
    told: list[str] = []

    def start() -> Any:
        sys.exit("no key")

    logger = Guarded("wandb", start, told.append)
    logger.log_metrics({"a": 1.0}, 1)
    logger.log_hyperparams({})
    logger.finalize("success")
    assert logger.experiment is None
    assert told == ["logger wandb switched off, training goes on: SystemExit: no key"]


def test_calls_keep_their_order_and_answers() -> None:
    calls: list[Any] = []
    inner = types.SimpleNamespace(
        name="x", version=3, save_dir="here", experiment="object",
        log_metrics=lambda metrics, step: calls.append((metrics, step)),
        save=lambda: calls.append(threading.current_thread() is threading.main_thread()),
    )  # fmt: skip
    logger = Guarded("mlflow", lambda: inner, print)
    for step in range(3):
        logger.log_metrics({"a": 1.0}, step)
    logger.save()
    assert calls == [({"a": 1.0}, 0), ({"a": 1.0}, 1), ({"a": 1.0}, 2), False]
    assert (logger.name, logger.version, logger.save_dir) == ("x", 3, "here")
    assert logger.experiment == "object"
