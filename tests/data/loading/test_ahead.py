"""Order, bounds and errors of work that is done ahead."""

import threading
import time

import pytest

from adapt.data.loading import ahead as module
from adapt.data.loading.ahead import ahead
from adapt.errors import RunError


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("most", [1, 3, 99])
def test_results_come_in_order(threads: int, most: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    expected = [number * number for number in range(20)]
    assert list(ahead(slow, range(20), threads, most)) == expected


@pytest.mark.parametrize(("threads", "more"), [(0, 0), (2, 3)])
def test_no_more_than_that_many_are_taken(threads: int, more: int) -> None:
    taken: list[int] = []
    results = ahead(abs, (taken.append(number) or number for number in range(100)), threads, 4)
    for number in range(5):
        assert next(results) == number
        assert len(taken) == number + 1 + more
    results.close()


def test_heavy_items_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAVIEST", 10)
    taken: list[int] = []

    def items() -> object:
        for size in (4, 4, 4, 50, 1, 1):
            taken.append(size)
            yield size

    results = ahead(abs, items(), 2, 99, lambda size: size)  # type: ignore[arg-type]
    assert [next(results), list(taken)] == [4, [4, 4, 4]]
    assert [next(results), list(taken)] == [4, [4, 4, 4, 50]]
    assert list(results) == [4, 50, 1, 1]


def test_an_error_is_raised_in_its_turn() -> None:
    def inverse(number: int) -> float:
        return 1 / number

    results = ahead(inverse, [1, 2, 0, 4], 2, 4)
    assert [next(results), next(results)] == [1.0, 0.5]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_nothing_goes_on_after_the_end() -> None:
    before, started = threading.active_count(), []
    results = ahead(started.append, range(50), 2, 50)
    next(results)
    results.close()
    assert threading.active_count() <= before
    assert len(started) <= 50


def test_what_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor when the process ends: the threads are daemons."""
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    monkeypatch.setattr(module, "SECONDS_TO_END", 0.1)
    go_on = threading.Event()
    results = ahead(lambda number: number == 2 and go_on.wait(60), range(5), 2, 4)
    assert [next(results), next(results)] == [False, False]
    with pytest.raises(RunError, match=r"^reading ahead - no answer in 0.1 s - item 3 of those"):
        next(results)
    assert [t for t in threading.enumerate() if not t.daemon] == [threading.main_thread()]
    go_on.set()


def test_a_timeout_of_its_own_is_passed_on() -> None:
    def late(_: int) -> None:
        raise TimeoutError("the server")

    with pytest.raises(TimeoutError, match="the server"):
        list(ahead(late, [1], 1, 1))
