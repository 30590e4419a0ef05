"""The log of a training that was stopped is that of one that was not, byte by byte."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from adapt.data.image_data import ImageData
from adapt.errors import RunError
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.objectives import Batch, CrossEntropy, Outcome
from adapt.training.settings import Optim
from adapt.training.trainer.epoch_log import FILE, EpochLog
from tests.helpers.training import fit
from tests.training.trainer.test_stopping import stop_in

OPTIM = Optim(lr=1e-3, epochs=2, batch_size=8, warmup=0.0)
"""Three steps in each epoch."""


def not_a_number_in(step: int, classifier: Classifier) -> object:
    """Cross-entropy that is not a number in one step, wherever the training began."""

    def objective(classifier: Classifier, batch: Batch, generator: torch.Generator) -> Outcome:
        loss, logits = CrossEntropy()(classifier, batch, generator)
        return loss * (math.nan if generator.initial_seed() == step - 1 else 1.0), logits

    return objective


@pytest.mark.parametrize("step", range(1, 7))
def test_the_log_goes_on_where_it_was(
    step: int, start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Also its means, and the number of steps that were left out: here the second."""
    whole, parts = (replace(context, folder=tmp_path / name) for name in ("whole", "parts"))
    objective = not_a_number_in(2, start)
    fit(start, toy_data, OPTIM, whole, objective)
    with monkeypatch.context() as patch:
        stop_in(step, patch)
        with pytest.raises(KeyboardInterrupt):
            fit(start, toy_data, OPTIM, parts, objective)
    fit(start, toy_data, OPTIM, replace(parts, resume=True), objective)
    expected = (tmp_path / "whole" / "log" / FILE).read_bytes()
    assert (tmp_path / "parts" / "log" / FILE).read_bytes() == expected
    header, *rows = expected.decode().splitlines()
    assert len(rows) == 6, "rate, validation and training of two epochs"
    assert "skipped_steps" in header


def test_rows_of_after_a_checkpoint_are_logged_again(
    start: Classifier, toy_data: ImageData, context: Context, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A crash in the second epoch, whose rate is in the table and not in the checkpoint."""
    own = replace(context, folder=tmp_path)
    calls = [0]

    def objective(*given: object) -> Outcome:
        calls[0] += 1
        if calls[0] == 4:
            raise ArithmeticError
        return CrossEntropy()(*given)  # type: ignore[arg-type]

    with pytest.raises(ArithmeticError):
        fit(start, toy_data, OPTIM, own, objective)
    log = tmp_path / "log" / FILE
    assert len(log.read_text().splitlines()) == 5
    fit(start, toy_data, OPTIM, replace(own, resume=True))
    steps = [line.split(",")[log.read_text().split("\n")[0].split(",").index("step")]
             for line in log.read_text().splitlines()[1:]]  # fmt: skip
    assert steps == ["0", "2", "2", "3", "5", "5"]


def test_a_new_column_is_added_to_all_rows(tmp_path: Path) -> None:
    log = EpochLog(tmp_path)
    for metrics, step in (({"a": 1.5}, 0), ({"a": 2.0}, 1), ({"b": 0.1}, 1)):
        log.log_metrics(metrics, step)
        log.save()
    assert (tmp_path / FILE).read_text() == "a,b,step\n1.5,,0\n2.0,,1\n,0.1,1\n"
    log.put_back(log.rows[:1])
    assert (tmp_path / FILE).read_text() == "a,step\n1.5,0\n"
    log.put_back([])
    assert not (tmp_path / FILE).exists()


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file in the place of the folder")
    log = EpochLog(tmp_path / "log")
    log.log_metrics({"a": 1.0}, 0)
    with pytest.raises(RunError, match=r"metrics\.csv - cannot be written - "):
        log.save()
