"""Batches over requests: together what waits together, each model by itself, errors alone."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapt.models.prediction.stream import Prediction, ReadImage
from adapt.serve.answers import Refusal
from adapt.serve.batching import Batcher


@dataclass(eq=False)
class Counting:
    """In place of a predictor: answers with the value of the pixels, fails on 13, may be held."""

    may_go_on: threading.Event = field(default_factory=threading.Event)
    batches: list[list[int]] = field(default_factory=list)

    def answers(self, images: Sequence[ReadImage], top: int) -> Iterator[Prediction]:
        assert self.may_go_on.wait(20)
        values = [int(image.pixels[0]) for image in images if image.pixels is not None]
        self.batches.append(values)
        if 13 in values:
            raise RuntimeError("no luck")
        return (Prediction(str(value), str(value), top) for value in values)


def run(body: Any, size: int = 4, wait: float = 0.0) -> list[tuple[int, float]]:
    """Run `body(batcher, put)` beside a batcher; returns what was observed."""
    seen: list[tuple[int, float]] = []

    async def main() -> None:
        batcher = Batcher(size, wait, lambda count, seconds: seen.append((count, seconds)))
        computing = asyncio.create_task(batcher.run())

        def put(model: Any, value: int, top: int = 1) -> "asyncio.Future[Any]":
            return batcher.put(model, np.array([value], np.uint8), top)

        try:
            await asyncio.wait_for(body(batcher, put), 20)
        finally:
            computing.cancel()

    asyncio.run(main())
    return seen


def test_what_waits_together_is_computed_together() -> None:
    model, other = Counting(), Counting()
    other.may_go_on.set()

    async def body(_: Batcher, put: Any) -> None:
        first = put(model, 1)
        await asyncio.sleep(0.05)  # it is being computed
        rest = [put(model, 2), put(other, 3), put(model, 4, top=3)]
        rest += [put(model, number) for number in range(5, 9)]
        model.may_go_on.set()
        answers = await asyncio.gather(first, *rest)
        assert [answer.label for answer in answers] == [str(n) for n in range(1, 9)]

    seen = run(body)
    assert model.batches == [[1], [2, 4, 5, 6], [7, 8]]
    assert other.batches == [[3]]
    assert [count for count, _ in seen] == [1, 4, 1, 2]


def test_an_error_breaks_no_other_image_of_its_batch() -> None:
    model = Counting()

    async def body(_: Batcher, put: Any) -> None:
        held = put(model, 0)
        await asyncio.sleep(0.05)
        rest = [put(model, value) for value in (1, 13, 2)]
        model.may_go_on.set()
        _, first, broken, second = await asyncio.gather(held, *rest)
        assert (first.label, second.label) == ("1", "2")
        assert isinstance(broken, Refusal)
        assert (broken.status, "luck" in broken.reason) == (500, False)

    run(body)
    assert model.batches == [[0], [1, 13, 2], [1], [13], [2]]


def test_what_is_cancelled_in_time_is_not_computed() -> None:
    model = Counting()

    async def body(_: Batcher, put: Any) -> None:
        held, given_up, wanted = put(model, 0), put(model, 1), put(model, 2)
        held_late = [held, wanted]
        given_up.cancel()
        model.may_go_on.set()
        await asyncio.gather(*held_late)

    run(body)
    assert [value for batch in model.batches for value in batch] == [0, 2]


def test_an_image_waits_for_those_that_are_coming_and_no_longer() -> None:
    model = Counting()
    model.may_go_on.set()

    async def body(batcher: Batcher, put: Any) -> None:
        alone = await asyncio.wait_for(put(model, 1), 0.2)  # nothing is on its way
        assert alone.label == "1"
        with batcher.coming():
            first = put(model, 2)
            await asyncio.sleep(0.05)
            assert not first.done()
            second = put(model, 3)
        await asyncio.gather(first, second)

    run(body, wait=10.0)
    assert model.batches == [[1], [2, 3]]

    async def late(batcher: Batcher, put: Any) -> None:
        with batcher.coming():
            await put(model, 4)  # the wait is over before the other has come

    run(late, wait=0.05)
    assert model.batches[-1] == [4]
