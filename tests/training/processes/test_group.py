"""A real group of two processes: what they are told, what they give, and how they fail."""

import time
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from adapt.errors import DataError, RunError
from adapt.training.devices import processes
from adapt.training.processes.group import ProcessGroup, active, process_count
from adapt.training.settings import Runtime
from tests.helpers.processes import (
    fail,
    fail_everywhere,
    gather_uneven,
    give_halves,
    ignore,
    in_place,
    write_sums,
)

TWO = Runtime(accelerator="cpu", devices=2)


@pytest.fixture(scope="module")
def group() -> Iterator[ProcessGroup]:
    with processes(TWO) as made:
        assert made is not None
        yield made


def test_one_device_is_no_group() -> None:
    with processes(Runtime(accelerator="cpu")) as group:
        assert group is None
        assert active() is None
        assert process_count() == 1


def test_objects_and_large_tensors_arrive(group: ProcessGroup, tmp_path: Path) -> None:
    large = torch.arange(30_000, dtype=torch.float32)
    module = nn.Linear(300, 200)
    given = tmp_path, [large, large, torch.ones(3)], module
    with group.task(write_sums, given):
        write_sums(*given)
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    assert first.endswith(" 1.0")  # one tensor, also over there


def test_a_tensor_that_changed_goes_again(group: ProcessGroup, tmp_path: Path) -> None:
    value = torch.zeros(30_000)
    module = nn.Linear(1, 1)
    for expected in (0.0, 30_000.0, 60_000.0):
        with group.task(write_sums, (tmp_path, [value, value], module)):
            pass
        assert (tmp_path / "1.txt").read_text().split()[0] == str(expected)
        with group.task(in_place, (value,)):
            in_place(value)


def test_what_has_not_changed_is_sent_once(group: ProcessGroup) -> None:
    value, sent = torch.zeros(30_000), []
    original = group.sender.number_of

    def noting(tensor: torch.Tensor) -> int:
        number = original(tensor)
        sent.append(number in group.sender.new)
        return number

    group.sender.number_of = noting  # type: ignore[method-assign]
    try:
        for _ in range(2):
            with group.task(give_halves, (0,)):
                pass
            with group.task(ignore, (value,)):
                pass
    finally:
        group.sender.number_of = original  # type: ignore[method-assign]
    assert sent == [True, False]


def test_tensors_are_given_in_order(group: ProcessGroup) -> None:
    with group.task(give_halves, (7,)):
        taken = [float(group.take(1, (2, 3)).mean()) for _ in range(7)]
    assert taken == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("sizes", [[2, 2], [3, 2], [1, 0]])
def test_rows_and_gradients_of_all(group: ProcessGroup, tmp_path: Path, sizes: list[int]) -> None:
    given = tmp_path, sizes
    with group.task(gather_uneven, given):
        gather_uneven(*given)
    hands = [[10.0 * rank + turn for turn in range(sizes[rank])] for rank in (0, 1)]
    dealt = [hands[k % 2][k // 2] for k in range(sum(sizes))]
    for rank in (0, 1):
        every, rows, gradient = literal_eval((tmp_path / f"{rank}.txt").read_text())
        assert every == dealt
        assert rows == list(range(sum(sizes)))[rank::2]
        assert gradient == [3.0 * (row + 1) for row in rows]


def test_an_error_in_all_processes_leaves_them_usable(group: ProcessGroup, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in every process"), group.task(fail_everywhere, ()):
        fail_everywhere()
    assert not group.broken
    with group.task(give_halves, (1,)):
        assert float(group.take(1, (2, 3)).sum()) == 0


def run_to_failure(how: str) -> None:
    with processes(TWO) as own:
        assert own is not None
        with own.task(fail, (how,)):
            fail(how)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("data", DataError, "photos/a.jpg - cannot be read - 0 bytes - remove it"),
        ("unexpected", RunError, "process 1 - failed - ZeroDivisionError: division by zero"),
        ("killed", RunError, "a process is gone - it was ended from outside"),
    ],
)
def test_a_process_that_fails_ends_the_task(how: str, kind: type[Exception], words: str) -> None:
    began = time.monotonic()
    with pytest.raises(kind, match=words):
        run_to_failure(how)
    assert time.monotonic() - began < 60
    assert active() is None
