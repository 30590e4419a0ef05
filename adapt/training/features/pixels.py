"""The images of a split as a model sees them, decoded block by block while it computes."""

import hashlib
import math
import threading
import weakref
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, count, islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from adapt.common.content import content_hashes, text_hash
from adapt.data.decoding.preprocessing import Preprocessing
from adapt.data.loading.ahead import ahead
from adapt.data.sources.image_list import ImageList
from adapt.training.runtime import processors
from adapt.training.settings import Runtime

KEPT_BYTES = 1 << 30
"""Most memory for decoded images that are kept for another pass, over all splits."""
KNOWN = 32
"""Sets of frames of another process that this one remembers."""
BLOCKS_AHEAD = 2
"""Blocks that are decoded while one is computed with."""


class _Budget:
    """Memory that may be reserved, and is given back with what it was reserved for."""

    def __init__(self, most: int) -> None:
        self.left, self._lock = most, threading.Lock()

    def reserve(self, owner: object, size: int) -> bool:
        """Whether there is that much left; it is given back when the owner goes."""
        with self._lock:
            if size > self.left:
                return False
            self.left -= size
        weakref.finalize(owner, self._give_back, size)
        return True

    def _give_back(self, size: int) -> None:
        with self._lock:
            self.left += size


BUDGET = _Budget(KEPT_BYTES)


class Frames:
    """Resized images (N, size, size, 3), uint8: kept once they are made, if there is room.

    Another process that they are sent to makes its own, and keeps them for the next time.
    """

    _numbers = count()
    _known: ClassVar[OrderedDict[int, "Frames"]] = OrderedDict()

    def __init__(
        self, count: int, size: int, make: Callable[[int], np.ndarray], keep: bool
    ) -> None:
        self._make, self._shape, self._lock = make, (count, size, size, 3), threading.Lock()
        self._number, self._given = next(self._numbers), (count, size, make, keep)
        self._undecided = keep
        self._values: np.ndarray | None = None
        self._made = np.zeros(count, bool)

    def __reduce__(self) -> tuple[Any, ...]:
        return Frames._sent, (self._number, *self._given)

    @classmethod
    def _sent(cls, number: int, *given: Any) -> "Frames":
        """In another process: those that came under this number before, or new ones."""
        frames = cls._known.pop(number, None) or cls(*given)
        cls._known[number] = frames
        if len(cls._known) > KNOWN:
            cls._known.popitem(last=False)
        return frames

    @classmethod
    def of(cls, values: np.ndarray) -> "Frames":
        """Frames that are there already."""
        frames = cls(len(values), values.shape[1], values.__getitem__, keep=False)
        frames._values, frames._made = values, np.ones(len(values), bool)
        return frames

    def has(self, row: int) -> bool:
        """Whether a frame is kept."""
        return bool(self._made[row])

    def get(self, row: int) -> np.ndarray:
        """One frame (size, size, 3), made where it is not kept."""
        if self._undecided:
            self._reserve()
        if self._values is None:
            return self._make(row)
        if not self._made[row]:
            self._values[row] = self._make(row)
            self._made[row] = True
        frame: np.ndarray = self._values[row]
        return frame

    def _reserve(self) -> None:
        """Take memory for all frames when the first is asked for, if there is enough."""
        with self._lock:
            if self._undecided and BUDGET.reserve(self, math.prod(self._shape)):
                self._values = np.empty(self._shape, np.uint8)
            self._undecided = False


@dataclass(frozen=True)
class _Resized:
    """Opens and resizes an image; can be sent to another process."""

    images: ImageList
    preprocessing: Preprocessing

    def __call__(self, row: int) -> np.ndarray:
        return np.asarray(self.preprocessing.resize(self.images.open(row)))


class JoinedFrames:
    """The frames of several splits, one after the other."""

    def __init__(self, parts: Sequence["Pixels"]) -> None:
        self._parts, self._ends = parts, list(accumulate(map(len, parts)))

    def has(self, row: int) -> bool:
        """Whether a frame is kept."""
        part, own = self._place(row)
        return part.frames.has(own)

    def get(self, row: int) -> np.ndarray:
        """One frame (size, size, 3)."""
        part, own = self._place(row)
        return part.frames.get(own)

    def _place(self, row: int) -> tuple["Pixels", int]:
        number = bisect_right(self._ends, row)
        part = self._parts[number]
        return part, part.rows[row - self._ends[number] + len(part)]


@dataclass
class Pixels:
    """The images of one split after resizing, before normalising: what every model sees of them.

    Made by `prepare`, or by `of` from arrays. Nothing is decoded before it is asked for, and no
    more than a few blocks at once.
    """

    preprocessing: Preprocessing
    frames: Frames | JoinedFrames
    rows: Sequence[int]
    """The frames that belong to the split, in its order."""
    names: Callable[[Sequence[int]], list[str]]
    """The content of these frames, as hashes."""
    threads: int = 1
    """Threads that decode."""

    @classmethod
    def of(
        cls, values: np.ndarray, preprocessing: Preprocessing, keys: Sequence[str] | None = None
    ) -> "Pixels":
        """Images that are resized already.

        Args:
            values: uint8 (N, size, size, 3).
            preprocessing: Resized them.
            keys: SHA-256 of the bytes of each file; without, of its pixels.
        """

        def names(rows: Sequence[int]) -> list[str]:
            if keys is not None:
                return [keys[row] for row in rows]
            return [hashlib.sha256(values[row].tobytes()).hexdigest() for row in rows]

        return cls(preprocessing, Frames.of(values), range(len(values)), names)

    @classmethod
    def joined(cls, parts: Sequence["Pixels"]) -> "Pixels":
        """Several splits, one after the other, so that small ones share their batches."""
        if len(parts) == 1:
            return parts[0]

        def names(rows: Sequence[int]) -> list[str]:
            every = [key for part in parts for key in part.keys]
            return [every[row] for row in rows]

        threads = max(part.threads for part in parts)
        rows = range(sum(map(len, parts)))
        return cls(parts[0].preprocessing, JoinedFrames(parts), rows, names, threads)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Another process needs no names: who keeps features by name is here."""
        sent = ("preprocessing", "frames", "rows", "threads")
        return {name: getattr(self, name) for name in sent} | {"names": _nameless}

    def subset(self, rows: Iterable[int]) -> "Pixels":
        """The images at these positions; what is decoded for one is kept for both."""
        return replace(self, rows=[self.rows[row] for row in rows])

    @cached_property
    def keys(self) -> list[str]:
        """The name of each image by its content: SHA-256 over its bytes and the shift."""
        return self.names(self.rows)

    def blocks(self, size: int) -> Iterator[np.ndarray]:
        """The images in order, uint8 (B, size, size, 3), at most `size` at once.

        The blocks that follow are decoded meanwhile, in threads.
        """
        if all(map(self.frames.has, self.rows)):
            for start in range(0, len(self), size):
                yield np.stack([self.frames.get(row) for row in self.rows[start : start + size]])
            return
        most = (1 + BLOCKS_AHEAD) * size
        frames = ahead(self.frames.get, self.rows, self.threads, most)
        while block := list(islice(frames, size)):
            yield np.stack(block)

    def batches(self, size: int, device: torch.device) -> Iterator[Tensor]:
        """Normalised pixels (B, 3, H, W) on a device, in order."""
        for block in self.blocks(size):
            values = torch.from_numpy(block)
            if device.type == "cuda":
                values = values.pin_memory().to(device, non_blocking=True)
            yield self.preprocessing.normalise_batch(values.to(device))


def _nameless(rows: Sequence[int]) -> list[str]:
    raise LookupError(f"{len(rows)} images were sent without their names")


def prepare(
    images: ImageList,
    preprocessing: Preprocessing,
    runtime: Runtime | None = None,
    keep: bool = False,
) -> Pixels:
    """The images of a split, to be decoded when they are needed.

    Args:
        images: The images.
        preprocessing: Resizes and normalises them.
        runtime: Says how many threads decode.
        keep: Whether several passes are to be expected: what is decoded is kept for the next one
            while `KEPT_BYTES` allow, and else decoded again.
    """
    workers = (runtime or Runtime()).workers
    threads = processors() if workers == "auto" else max(1, int(workers))

    def names(rows: Sequence[int]) -> list[str]:
        hashes = content_hashes([images.paths[row] for row in rows])
        shift = images.shift
        return hashes if shift is None else [text_hash(f"{name} {shift}") for name in hashes]

    frames = Frames(len(images), preprocessing.size, _Resized(images, preprocessing), keep)
    return Pixels(preprocessing, frames, range(len(images)), names, threads)
