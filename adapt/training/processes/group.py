"""The processes of one run: the first runs the recipe, the others wait for tasks of it."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import Store

from adapt import errors
from adapt.errors import AdaptError, RunError, one_line
from adapt.training.processes.messages import Receiver, Sender

FOREVER = timedelta(days=30)
"""How long the others wait for a task; the end of the first process ends their wait at once."""
TOGETHER = 20.0
"""Seconds in which all processes must have ended a task, once one of them has failed in it."""
SLOWEST = 600.0
"""The same, once the first has ended it in order."""
LOOK = 0.01
AHEAD = 2


@dataclass(frozen=True)
class Participant:
    """Where a process stands among all of them."""

    rank: int
    """From 0, over all machines."""
    size: int
    """Of all machines."""
    local_rank: int
    """On its machine: the number of its device."""
    local_size: int
    """On its machine."""

    @property
    def nodes(self) -> int:
        """Machines."""
        return self.size // self.local_size


@dataclass
class ProcessGroup:
    """All processes, in each of them.

    Made by `adapt.training.devices`. A task is a function of a module, which all call at
    the same time, so that it may take part in collective work.
    """

    member: Participant
    store: Store
    control: Any
    """Process group (gloo) for tasks and results, beside the one in which trainings talk."""
    sender: Sender = field(default_factory=Sender)
    receiver: Receiver = field(default_factory=Receiver)
    tasks: int = 0
    broken: bool = False

    @contextmanager
    def task(self, function: Callable[..., Any], given: tuple[Any, ...]) -> Iterator[None]:
        """While inside, the other processes call a function; it has ended everywhere at the end.

        Args:
            function: Of a module, for the others.
            given: Its arguments.

        Raises:
            AdaptError: That of the process that failed first, if it was not this one.
        """
        if self.broken:
            raise RunError(
                "runtime.devices - the other processes are gone - one of them failed before - "
                "begin again with --resume"
            )
        self.tasks += 1
        try:
            self.sender.send((function, given), self.control)
            yield
        except BaseException as error:
            self._end()
            gone = _by_connection(error)
            self.broken = gone or not self._all_ended()
            if gone:
                raise self._told() or RunError(
                    "runtime.devices - a process is gone - it was ended from outside, perhaps for "
                    "memory - begin again with --resume"
                ) from error
            raise
        self._end()
        ended = self._all_ended(SLOWEST)
        if (told := self._told()) is not None or not ended:
            self.broken = True
            raise told or RunError(
                "runtime.devices - a process did not end its task - begin again with --resume"
            )

    def follow(self) -> int:
        """In the other processes: do what the first says until it ends; returns the exit code."""
        while True:
            try:
                read = self.receiver.receive(self.control)
            except RuntimeError:  # the first process is gone, and has said why
                return RunError.exit_code
            self.tasks += 1
            try:
                function, given = read()
                if function is None:
                    return 0
                function(*given)
                del function, given
            except BaseException as error:  # whatever it is: the first process says it
                content = type(error).__name__, _sentence(error), self.member.rank
                self.store.set(self._key("error", self.member.rank), json.dumps(content))
                self._end()
                if not self._all_ended():
                    return getattr(error, "exit_code", RunError.exit_code)
            else:
                self._end()
            self.receiver.without_gradients()

    def give(self, tensors: Iterable[Tensor]) -> None:
        """Send float32 tensors to the first process, at most two of them ahead of it.

        Args:
            tensors: On the CPU.
        """
        under_way: list[tuple[dist.Work, Tensor]] = []
        for value in tensors:
            value = value.contiguous()
            work = dist.isend(value, 0, self.control)
            assert work is not None  # this process belongs to the group
            under_way.append((work, value))
            if len(under_way) > AHEAD:
                under_way.pop(0)[0].wait()
        for work, _ in under_way:
            work.wait()

    def take(self, rank: int, shape: Sequence[int]) -> Tensor:
        """The next tensor that a process gives.

        Args:
            rank: Of that process.
            shape: Of the tensor.
        """
        value = torch.empty(*shape)
        dist.recv(value, rank, self.control)
        return value

    def close(self) -> None:
        """End the others, where they wait for a task."""
        if not self.broken:
            self.broken = True
            with suppress(RuntimeError):  # one that is gone needs no word
                self.sender.send((None, ()), self.control)

    def _key(self, what: str, rank: int) -> str:
        return f"{what}/{self.tasks}/{rank}"

    def _keys(self, what: str) -> list[str]:
        return [self._key(what, rank) for rank in range(self.member.size)]

    def _end(self) -> None:
        self.store.set(self._key("ended", self.member.rank), "")

    def _all_ended(self, seconds: float = TOGETHER) -> bool:
        """Wait until all have ended the task, which they do at nearly the same time."""
        end = time.monotonic() + seconds
        while not self.store.check(self._keys("ended")):
            if time.monotonic() > end:
                return False
            time.sleep(LOOK)
        return True

    def _told(self) -> AdaptError | None:
        """What another process failed with in this task, if any did."""
        for key in self._keys("error"):
            if self.store.check([key]):
                kind, text, rank = json.loads(self.store.get(key))
                known = getattr(errors, kind, None)
                if isinstance(known, type) and issubclass(known, AdaptError):
                    return known(text)
                return RunError(
                    f"process {rank} - failed - {kind}: {text} - begin again with --resume"
                )
        return None


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, AdaptError) else one_line(error)


def _by_connection(error: BaseException) -> bool:
    """Whether an error only says that another process is gone."""
    if isinstance(error, dist.DistError):
        return True
    return isinstance(error, RuntimeError) and "onnection" in str(error)


_ACTIVE: list[ProcessGroup] = []


def active() -> ProcessGroup | None:
    """The group that this process belongs to, if there are several processes."""
    return _ACTIVE[-1] if _ACTIVE else None


def process_count() -> int:
    """How many processes there are; 1 without a group."""
    group = active()
    return 1 if group is None else group.member.size


def is_first() -> bool:
    """Whether this process is the only one, or the one that runs the recipe."""
    group = active()
    return group is None or group.member.rank == 0


@contextmanager
def belonging(group: ProcessGroup) -> Iterator[ProcessGroup]:
    """While inside, `active` gives this group."""
    _ACTIVE.append(group)
    try:
        yield group
    finally:
        _ACTIVE.remove(group)
