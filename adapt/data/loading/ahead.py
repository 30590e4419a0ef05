"""Work that is done ahead in threads, in order and with bounded memory."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

from adapt.errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")
Task: TypeAlias = tuple[Future[Any], Callable[[Any], Any], Any] | None
HEAVIEST = 256 << 20
"""Most bytes that wait for their turn, where items tell what they hold."""
PATIENCE = 300.0
"""Seconds that one result may take, beyond those before it."""
SECONDS_TO_END = 5.0
"""For what is at work when no more is wanted."""


def _nothing(item: object) -> int:
    return 0


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    most: int,
    weigh: Callable[[Item], int] = _nothing,
) -> Iterator[Result]:
    """The result of a function for each item, in their order, the next ones computed meanwhile.

    Args:
        function: Called in a thread; what it raises is raised when its turn has come.
        items: Taken in this thread, never more than `most` before the one that is given back.
        threads: How many compute; 0 computes each result here, when it is asked for.
        most: How many items are at work or wait, the one that is given back included.
        weigh: Bytes that an item holds until its turn; no more are taken beyond `HEAVIEST`.

    Raises:
        RunError: When a result does not come, as where a network drive does not answer.

    >>> list(ahead(str.upper, "abc", threads=2, most=2))
    ['A', 'B', 'C']
    """
    if not threads:
        yield from map(function, items)
        return
    waiting, held, given = deque[tuple[Future[Result], int]](), 0, 0

    def first() -> Result:
        nonlocal held, given
        future, weight = waiting.popleft()
        held, given = held - weight, given + 1
        try:
            return future.result(PATIENCE)
        except NoAnswerError as error:
            if future.done():
                raise  # the function's own
            raise RunError(
                f"reading ahead - no answer in {PATIENCE:g} s - item {given} of those read here - "
                "see whether its disk or network drive answers, then go on"
            ) from error

    with _threads(threads) as tasks:
        for item in items:
            weight, future = weigh(item), Future[Result]()
            tasks.put((future, function, item))
            waiting.append((future, weight))
            held += weight
            while len(waiting) >= most or (waiting and held > HEAVIEST):
                yield first()
        while waiting:
            yield first()


@contextmanager
def _threads(count: int) -> Iterator[SimpleQueue[Task]]:
    """Threads that do what is put into a queue, until the end of the block.

    Those of a `ThreadPoolExecutor` would be waited for when the process ends, also one that hangs.
    """
    tasks: SimpleQueue[Task] = SimpleQueue()
    workers = [threading.Thread(target=_work, args=(tasks,), daemon=True) for _ in range(count)]
    for worker in workers:
        worker.start()
    try:
        yield tasks
    finally:
        while not tasks.empty():  # what has not begun is not wanted any more
            with suppress(Empty):
                tasks.get_nowait()
        for _ in workers:
            tasks.put(None)
        for worker in workers:
            worker.join(SECONDS_TO_END)


def _work(tasks: SimpleQueue[Task]) -> None:
    while (task := tasks.get()) is not None:
        future, function, item = task
        try:
            future.set_result(function(item))
        except BaseException as error:  # is raised where the result is asked for
            future.set_exception(error)
