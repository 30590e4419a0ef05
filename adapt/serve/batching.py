"""Batches over requests: images that wait at the same time are computed together."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from adapt.data.decoding.preprocessing import PixelArray
from adapt.models.prediction.stream import Prediction, Predictor, ReadImage
from adapt.serve.answers import Refusal

log = logging.getLogger(__name__)
Observe = Callable[[int, float], None]
"""Told the size of a batch, and the seconds that it took."""


@dataclass(eq=False)
class _Waiting:
    predictor: Predictor
    pixels: PixelArray
    top: int
    answer: asyncio.Future[Prediction | Refusal]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Computes batches one after the other in a thread of its own.

    What arrives while a batch is computed forms the next. An image that comes when nothing is
    computed waits for those that are being decoded, and no longer than `wait`.

    Args:
        size: Most images of a batch.
        wait: Seconds.
        observe: Told of each batch.
    """

    def __init__(self, size: int, wait: float, observe: Observe) -> None:
        self._size, self._wait, self._observe = size, wait, observe
        self._waiting = deque[_Waiting]()
        self._coming = 0
        self._changed = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")

    @contextmanager
    def coming(self) -> Iterator[None]:
        """While inside, an image is on its way to the batcher."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1
            self._changed.set()

    def put(
        self, predictor: Predictor, pixels: PixelArray, top: int
    ) -> asyncio.Future[Prediction | Refusal]:
        """Have an image predicted; one whose future is cancelled before its turn is left out.

        Args:
            predictor: Of the model. Images of one batch have the same one.
            pixels: What `predictor.pixels` gave.
            top: How many classes the prediction lists.
        """
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(predictor, pixels, top, answer))
        self._changed.set()
        return answer

    async def run(self) -> None:
        """Compute batches until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = await self._next()
                answers = await loop.run_in_executor(self._thread, self._compute, batch)
                for item, answer in zip(batch, answers, strict=True):
                    if not item.answer.done():
                        item.answer.set_result(answer)
        finally:
            self._thread.shutdown()

    async def _next(self) -> list[_Waiting]:
        while True:
            self._changed.clear()
            while self._waiting and self._waiting[0].answer.done():
                self._waiting.popleft()
            left = None
            if self._waiting:
                left = self._waiting[0].since + self._wait - time.monotonic()
                if len(self._waiting) >= self._size or not self._coming or left <= 0:
                    return self._taken()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except asyncio.TimeoutError:
                continue

    def _taken(self) -> list[_Waiting]:
        """The first in the queue, and those behind it of the same model."""
        batch: list[_Waiting] = []
        others = deque[_Waiting]()
        while self._waiting and len(batch) < self._size:
            item = self._waiting.popleft()
            if item.answer.done():
                continue
            same = not batch or item.predictor is batch[0].predictor
            (batch if same else others).append(item)
        self._waiting.extendleft(reversed(others))
        return batch

    def _compute(self, batch: Sequence[_Waiting]) -> list[Prediction | Refusal]:
        before = time.perf_counter()
        answers = _answers(batch)
        self._observe(len(batch), time.perf_counter() - before)
        return answers


def _answers(batch: Sequence[_Waiting]) -> list[Prediction | Refusal]:
    """Predictions of a batch; where it fails as a whole, of each image by itself."""
    try:
        top = max(item.top for item in batch)
        images = [ReadImage("image", item.pixels) for item in batch]
        return [*batch[0].predictor.answers(images, top)]
    except Exception:
        if len(batch) > 1:
            return [answer for item in batch for answer in _answers([item])]
        log.exception("an image could not be computed")
        return [Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "the model failed on this image")]
