"""The process of one run of a sweep: `python -m adapt.scale.sweep.process`, its task on stdin.

Standard input stays open as long as the run is wanted. When it ends, because the sweep stops or has
died, the run stops in order: what it can save is saved.
"""

import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace

from filelock import FileLock, Timeout

from adapt.common.signals import finishing, for_a_command
from adapt.errors import AdaptError, RecipeError, one_line
from adapt.models.building.light import import_open_clip
from adapt.recipe.load import load
from adapt.runs.folder.lock import LOCK
from adapt.runs.folder.resume import Resume
from adapt.scale.sweep.task import FAILED, FINISHED, RunOutcome, SweepTask, digest_of

STDIN = 0
STOPPED_CODE = 130
WAIT_FOR_LOCK = 120.0
"""Seconds that an earlier process of the same run gets to save what it has."""


def main() -> int:
    """Read a task, run it, record how it ended; returns the exit code."""
    began, over = time.monotonic(), threading.Event()
    with for_a_command() as signals:
        try:
            task = SweepTask.from_line(_first_line(STDIN))
            threading.Thread(target=stop_at_end, args=(STDIN, over), daemon=True).start()
            outcome, code = attempt(task)
        except KeyboardInterrupt as error:
            print(f"stopped: {error}" if str(error) else "stopped", file=sys.stderr)
            return STOPPED_CODE
        finally:
            over.set()
        if signals and outcome.state == FAILED:  # what was interrupted failed by it
            return STOPPED_CODE
        with finishing():
            seconds = round(time.monotonic() - began, 2)
            replace(outcome, seconds=seconds).write(task)
    return code


def attempt(task: SweepTask) -> tuple[RunOutcome, int]:
    """Begin a run or go on with it; returns how it ended, and the exit code.

    Raises:
        KeyboardInterrupt: When it was stopped.
    """
    import_open_clip()
    from adapt.runs.run import run

    try:
        now = load(task.recipe, task.overrides, photos=task.photos).resolved
        if digest_of(now) != task.digest:
            raise RecipeError(
                f"{task.recipe} - has changed since the sweep began - other settings - set it "
                "back, or begin another sweep"
            )
        _wait_for_earlier(task)
        again = Resume(auto=True)
        run(task.recipe, task.overrides, task.folder, again, quiet=False, photos=task.photos)
    except AdaptError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return RunOutcome(FAILED, one_line(error)), error.exit_code
    except Exception as error:
        traceback.print_exc()
        return RunOutcome(FAILED, f"{type(error).__name__}: {one_line(error)}"), 1
    return RunOutcome(FINISHED), 0


def _wait_for_earlier(task: SweepTask) -> None:
    """Until a process of a sweep that was killed has saved and ended."""
    if task.folder.is_dir():
        try:
            FileLock(task.folder / LOCK, timeout=WAIT_FOR_LOCK).acquire().lock.release()
        except Timeout:
            return  # the run itself says that the folder is in use
        except OSError:
            return  # and what is wrong with it


def _first_line(descriptor: int) -> bytes:
    """Unbuffered, so that nothing else can wait for the lock of a buffer at the end."""
    line = b""
    while not line.endswith(b"\n") and (sign := os.read(descriptor, 1)):
        line += sign
    return line


def stop_at_end(descriptor: int, over: threading.Event) -> None:
    """Wait until nothing can come from a pipe any more, then ask this process to stop.

    Args:
        descriptor: Of the pipe.
        over: Set when there is nothing left to stop.
    """
    while os.read(descriptor, 1024):
        pass
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def exit_sentence(code: int) -> str:
    """Why a process ended that has recorded nothing.

    >>> exit_sentence(-9)
    'the process was killed (SIGKILL); the system does so where memory runs out'
    """
    if code >= 0:
        return f"the process ended with exit code {code} and said nothing"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    memory = "; the system does so where memory runs out" if name == "SIGKILL" else ""
    return f"the process was killed ({name}){memory}"


if __name__ == "__main__":
    sys.exit(main())
