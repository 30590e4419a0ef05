"""Independent pieces of work on a thread each."""

import threading

import pytest
import torch

from adapt.methods.features.side_by_side import side_by_side


def test_results_keep_their_order_and_threads_are_left_alone() -> None:
    """The first piece waits for the second; torch has as many threads after as before."""
    before, second = torch.get_num_threads(), threading.Event()
    torch.set_num_threads(2)
    try:
        pieces = [
            lambda: (second.wait(20), torch.get_num_threads()),
            lambda: (second.set(), torch.get_num_threads()),
        ]
        assert list(side_by_side(pieces)) == [(True, 1), (None, 1)]
        assert torch.get_num_threads() == 2
        seen: list[int] = []
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert seen == [2], "a thread that starts later is not held to one"
    finally:
        torch.set_num_threads(before)


def test_an_error_is_raised_and_the_rest_left_out() -> None:
    """What has not begun is not begun any more."""
    before, done = torch.get_num_threads(), []
    torch.set_num_threads(1)

    def fail() -> None:
        raise ValueError("a piece")

    try:
        with pytest.raises(ValueError, match="a piece"):
            list(side_by_side([fail, *[lambda: done.append(1)] * 50]))
        assert len(done) < 50
    finally:
        torch.set_num_threads(before)


def test_nothing_to_do() -> None:
    assert list(side_by_side([])) == []
