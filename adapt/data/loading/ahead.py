"""Work that is done ahead in threads, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
HEAVIEST = 256 << 20
"""Most bytes that wait for their turn, where items tell what they hold."""


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

    >>> list(ahead(str.upper, "abc", threads=2, most=2))
    ['A', 'B', 'C']
    """
    if not threads:
        yield from map(function, items)
        return
    waiting, held = deque[tuple[Future[Result], int]](), 0
    pool = ThreadPoolExecutor(threads)
    try:
        for item in items:
            weight = weigh(item)
            waiting.append((pool.submit(function, item), weight))
            held += weight
            while len(waiting) >= most or (waiting and held > HEAVIEST):
                future, weight = waiting.popleft()
                held -= weight
                yield future.result()
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(cancel_futures=True)
