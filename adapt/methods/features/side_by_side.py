"""Independent pieces of work side by side, each on a thread of its own."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

MOST = 8
"""Pieces at once: each holds its own numbers in memory."""
Result = TypeVar("Result")


def side_by_side(pieces: Sequence[Callable[[], Result]]) -> Iterator[Result]:
    """What the pieces return, in their order, as soon as it is there.

    Sums over a few thousand features are too small to be shared out: two threads on one of them
    take nearly as long as one thread. So each piece computes on one thread, as many of them at
    once as torch has threads, and its numbers do not depend on how many that are.

    Args:
        pieces: Functions without arguments that share nothing they change.

    >>> list(side_by_side([lambda: 1, lambda: 2]))
    [1, 2]
    """
    before = torch.get_num_threads()
    workers = max(1, min(before, MOST, len(pieces)))
    pool = ThreadPoolExecutor(workers, initializer=lambda: torch.set_num_threads(1))
    try:
        for waiting in [pool.submit(piece) for piece in pieces]:
            yield waiting.result()
    finally:
        pool.shutdown(cancel_futures=True)
        # What a worker sets is also what threads that start later begin with.
        torch.set_num_threads(before)
