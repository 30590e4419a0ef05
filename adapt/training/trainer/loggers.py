"""Loggers that cannot stop a training: one that raises or hangs is switched off, and said so."""

import importlib.util
import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from adapt.errors import MissingExtraError
from adapt.training.trainer.epoch_log import EpochLog

SECONDS = 60.0
"""What a logger may take for one call; starting one may mean a login and a new project."""
FIRST = "wandb"
"""Must be started before TensorBoard, or it does not see what is written there."""


def check_loggers(loggers: Iterable[str]) -> None:
    """Find out before any work whether the package of each logger is installed.

    Raises:
        MissingExtraError: Naming the extra that installs the first one missing.
    """
    for name in loggers:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(
                f"runtime.loggers - package missing - {name} - pip install 'adapt-clip[{name}]'"
            )


def make_loggers(names: Iterable[str], folder: Path, tell: Callable[[str], None]) -> list[Logger]:
    """The CSV log, always, and the loggers asked for.

    Args:
        names: Any of `tensorboard`, `wandb`, `mlflow`.
        folder: Run folder.
        tell: Called with a sentence when a logger is switched off.

    Raises:
        MissingExtraError: When a logger's package is not installed.
    """
    wanted = sorted(names, key=lambda name: name != FIRST)
    check_loggers(wanted)
    guarded = [Guarded(name, lambda name=name: _start(name, folder), tell) for name in wanted]  # type: ignore[misc]
    return [EpochLog(folder / "log"), *guarded]


def _start(name: str, folder: Path) -> Logger:
    """A logger; what its own environment variables say comes before what we would choose."""
    environment = os.environ.get
    if name == "tensorboard":
        return TensorBoardLogger(str(folder), name="", version="tensorboard")
    if name == "wandb":
        # Without a word of the user's nothing goes over the network.
        offline = not environment("WANDB_MODE")
        return pl.loggers.WandbLogger(
            environment("WANDB_NAME") or folder.resolve().name,
            environment("WANDB_DIR") or str(folder),
            offline=offline,
            project=environment("WANDB_PROJECT") or "adapt",
        )
    return pl.loggers.MLFlowLogger(
        environment("MLFLOW_EXPERIMENT_NAME") or "adapt",
        environment("MLFLOW_RUN_NAME") or folder.resolve().name,
        environment("MLFLOW_TRACKING_URI"),
        save_dir=str(folder / "mlruns"),
        run_id=environment("MLFLOW_RUN_ID"),
    )


class Guarded(Logger):
    """A logger in a thread of its own. After an error, or no answer in time, it is not used again.

    Args:
        shown: Its name, as in the recipe.
        start: Makes it.
        tell: Called with a sentence when it is switched off.
        seconds: How long it may take for one call; `SECONDS` where not given.
    """

    def __init__(
        self,
        shown: str,
        start: Callable[[], Logger],
        tell: Callable[[str], None],
        seconds: float | None = None,
    ) -> None:
        super().__init__()
        self.shown, self.seconds, self.off = shown, seconds or SECONDS, False
        self.tell = tell
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # A daemon: one that hangs must not keep the process from ending.
        threading.Thread(target=_serve, args=(self._tasks, start), daemon=True).start()

    def _call(self, do: Callable[[Logger], Any]) -> Any:
        if self.off:
            return None
        answer: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._tasks.put((do, answer))
        try:
            good, value = answer.get(timeout=self.seconds)
        except queue.Empty:
            good, value = False, f"no answer in {self.seconds:g} s"
        if good:
            return value
        self._switch_off(value)
        return None

    def _switch_off(self, reason: object) -> None:
        self.off = True
        text = " ".join(str(reason).split())[:300]
        kind = "" if isinstance(reason, str) else f"{type(reason).__name__}: "
        self.tell(f"logger {self.shown} switched off, training goes on: {kind}{text}")

    @property
    def name(self) -> str | None:
        """Its own name for the experiment."""
        value: str | None = self._call(lambda logger: logger.name)
        return value

    @property
    def version(self) -> int | str | None:
        """Its own number or name of the run."""
        value: int | str | None = self._call(lambda logger: logger.version)
        return value

    @property
    def save_dir(self) -> str | None:
        """Where it writes, if it writes files."""
        value: str | None = self._call(lambda logger: logger.save_dir)
        return value

    @property
    def experiment(self) -> Any:
        """The object of its own library; None when it is switched off."""
        return self._call(lambda logger: getattr(logger, "experiment", None))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers."""
        self._call(lambda logger: logger.log_metrics(dict(metrics), step))

    def log_hyperparams(self, params: Any, *given: Any, **named: Any) -> None:
        """Log settings."""
        self._call(lambda logger: logger.log_hyperparams(params, *given, **named))

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Log the model, where the logger can."""
        self._call(lambda logger: logger.log_graph(model, input_array))

    def save(self) -> None:
        """Write what is pending."""
        self._call(lambda logger: logger.save())

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Tell it of a checkpoint."""
        self._call(lambda logger: logger.after_save_checkpoint(checkpoint_callback))

    def finalize(self, status: str) -> None:
        """End its run."""
        self._call(lambda logger: logger.finalize(status))


def _serve(tasks: "queue.SimpleQueue[Any]", start: Callable[[], Logger]) -> None:
    """Make the logger, then do one task after the other; every answer is a value or an error."""
    logger: Logger | None = None
    failed: BaseException | None = None
    try:
        logger = start()
    except BaseException as error:  # some end the process when they cannot log in
        failed = error
    while True:
        do, answer = tasks.get()
        if failed is not None or logger is None:
            answer.put((False, failed))
            continue
        try:
            answer.put((True, do(logger)))
        except BaseException as error:
            answer.put((False, error))
