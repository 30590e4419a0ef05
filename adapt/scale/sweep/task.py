"""One run of a sweep as its process gets it, and what became of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adapt.common.files import json_text, write_json
from adapt.errors import RunError
from adapt.runs.folder.lock import RUN

FINISHED, FAILED, STOPPED, WAITING = "finished", "failed", "stopped", "waiting"
SCORES = "scores.json"


@dataclass(frozen=True)
class SweepTask:
    """One run: what `adapt run` would be given, and where it belongs."""

    name: str
    sweep: str
    """Folder of the sweep."""
    recipe: str
    photos: str | None
    overrides: list[str]
    digest: str
    """Of all settings, see `digest_of`: the recipe's file may change while the run waits."""
    directory: str = "."
    """Where relative paths begin."""

    @property
    def folder(self) -> Path:
        """The run folder."""
        return Path(self.sweep, "runs", self.name)

    @property
    def log(self) -> Path:
        """What the process writes for people."""
        return Path(self.sweep, "logs", f"{self.name}.txt")

    @property
    def outcome_file(self) -> Path:
        """Whole or absent, written when the run has ended."""
        return Path(self.sweep, "outcomes", f"{self.name}.json")

    @property
    def begun(self) -> bool:
        """Whether there is something to go on with."""
        return any((self.folder / mark).is_file() for mark in RUN.marks)

    def to_line(self) -> str:
        """One line of JSON."""
        return json_text(asdict(self), None)

    @classmethod
    def from_line(cls, line: str | bytes) -> "SweepTask":
        """What `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    state: str
    """`finished`, `failed` or `stopped`; `waiting` where it has not begun."""
    reason: str = ""
    """Of a failure, one line."""
    seconds: float = 0.0
    """From the start of its process to the end, of the last attempt."""

    def write(self, task: SweepTask) -> None:
        """Record a run that has finished or failed; one that was stopped goes on another time."""
        if self.state in (FINISHED, FAILED):
            write_json(task.outcome_file, asdict(self))


def outcome_of(task: SweepTask) -> RunOutcome:
    """What is known of a run from its files.

    Raises:
        RunError: When the record cannot be read.
    """
    path = task.outcome_file
    try:
        stored = RunOutcome(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return RunOutcome(STOPPED if task.begun else WAITING)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise RunError(f"{path} - cannot be read - {reason} - delete it to run again") from error
    if stored.state == FINISHED and not (task.folder / SCORES).is_file():
        return RunOutcome(STOPPED if task.begun else WAITING)  # somebody deleted the run
    return stored


def digest_of(resolved: Mapping[str, Any]) -> str:
    """A hash of all settings of a run."""
    return hashlib.sha256(json_text(resolved, None).encode()).hexdigest()
