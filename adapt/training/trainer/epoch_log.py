"""The CSV log of a training, whose rows travel in its checkpoints."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger

from adapt.common.files import append_line, write_text

FILE = "metrics.csv"
ROWS = "log"
"""Of a checkpoint: the rows that were logged before it."""

Row = dict[str, float]


class EpochLog(Logger):
    """A table with a row for each call, and a column for each name that was ever logged.

    Lightning's `CSVLogger` deletes what an earlier process has logged.

    Args:
        folder: Gets `metrics.csv`.

    Raises:
        RunError: While training, when the table cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / FILE
        self.rows: list[Row] = []
        self._written, self._names = 0, list[str]()

    name = ""
    version = ROWS

    def log_hyperparams(self, *given: Any, **named: Any) -> None:
        """Nothing: the settings of a run are in its recipe."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row."""
        self.rows.append({**metrics, "step": len(self.rows) if step is None else step})

    def save(self) -> None:
        """Write the rows that are not in the file; all of them where a column is new."""
        new = self.rows[self._written :]
        if not new:
            return
        names = sorted({*self._names, *(name for row in new for name in row)})
        if self._written and names == self._names:
            append_line(self.path, "\n".join(_lines(names, new)))
        else:
            header = ",".join(names)
            write_text(self.path, "\n".join([header, *_lines(names, self.rows), ""]))
        self._written, self._names = len(self.rows), names

    def put_back(self, rows: list[Row]) -> None:
        """Begin with the rows of a checkpoint; what was logged after it is logged again."""
        self.rows = [dict(row) for row in rows]
        self._written, self._names = 0, []
        if not rows:
            self.path.unlink(missing_ok=True)
        self.save()


def _lines(names: list[str], rows: list[Row]) -> list[str]:
    """Rows as lines of a CSV file."""
    text = io.StringIO()
    csv.DictWriter(text, names, lineterminator="\n").writerows(rows)
    return text.getvalue().splitlines()


class KeepLog(pl.Callback):
    """Puts the rows of an `EpochLog` into checkpoints and back; stands in every process.

    So a table has all rows, each once, wherever a training was stopped. A checkpoint at the end of
    an epoch also has the row of that epoch, which Lightning logs after it.
    """

    def on_save_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """The rows of the steps that the checkpoint holds."""
        last = _row_of_epoch(trainer)  # in every process: some numbers are means over them
        rows = [row for log in _logs(trainer) for row in log.rows]
        kept = [row for row in rows if row["step"] < checkpoint["global_step"]]
        checkpoint[ROWS] = [*kept, *last]

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """The table is that of then."""
        for log in _logs(trainer):
            log.put_back(checkpoint.get(ROWS, []))


def _logs(trainer: pl.Trainer) -> list[EpochLog]:
    return [logger for logger in trainer.loggers if isinstance(logger, EpochLog)]


def _row_of_epoch(trainer: pl.Trainer) -> list[Row]:
    """What will be logged of an epoch at whose end a checkpoint is saved; else nothing."""
    epochs: Any = trainer.fit_loop.epoch_progress.current
    if epochs.processed == epochs.completed:
        return []
    metrics = trainer._logger_connector.metrics["log"]
    row = {name: float(value) for name, value in metrics.items()}
    return [row | {"epoch": trainer.current_epoch, "step": trainer.global_step - 1}] if row else []
