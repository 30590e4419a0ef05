"""Order, bounds and errors of work that is done ahead."""

import threading
import time

import pytest

from adapt.data.loading import ahead as module
from adapt.data.loading.ahead import ahead


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
