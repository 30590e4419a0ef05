"""Two small pictures of each image, and how much of one is not explained by another.

A copy that was saved again, resized, cropped by a few percent, framed, or made brighter is the
other image moved a little, times a gain, plus an offset. The move is found by Gauss-Newton steps
(Lucas and Kanade, 1981). The residual separates copies from images that only look alike, which
perceptual hashes of 64 bits cannot do: see `bench/planted_copies.py`.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from adapt.common.arrays import ByteArray, SingleArray

SIDE = 32
"""Side of the picture of brightness, in pixels."""
COLOURS = 8
"""Side of the picture of colours: eyes, cameras and JPEG see colour coarsely."""
BYTES = SIDE * SIDE + 2 * COLOURS * COLOURS
BLUR = 0.7
"""In pixels of `SIDE`; strokes thinner than a pixel could not be moved by parts of a pixel."""
EDGE = 2
"""Pixels ignored on each side: a frame, or what a crop removed."""
CORNER = 7
"""Side of the corners, one of which may differ: a logo or a date."""
STEPS = 3
MOVED = 0.08
"""Largest shift, as a fraction of the side; with `SCALED` it covers crops and frames of 5 %."""
SCALED = 0.14
FAINTEST = 1e-4
"""Least variance of brightness that counts as content: 1 % of white, squared."""
BLOCK = 512


def thumbnail(rgb: ByteArray) -> bytes:
    """Blurred brightness and coarse colours of an image, squashed to squares.

    Args:
        rgb: (H, W, 3) uint8.

    Returns:
        `BYTES` bytes: `SIDE` x `SIDE` of brightness, then twice `COLOURS` x `COLOURS` of colour
        (blue and red differences, 128 is none).

    >>> len(thumbnail(np.zeros((5, 9, 3), np.uint8))) == BYTES
    True
    """
    twice = cv2.resize(rgb, (2 * SIDE, 2 * SIDE), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(twice, (0, 0), 2 * BLUR, borderType=cv2.BORDER_REFLECT)
    parts = cv2.cvtColor(soft, cv2.COLOR_RGB2YCrCb)
    grey = cv2.resize(parts[:, :, 0], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    colours = cv2.resize(parts[:, :, 1:], (COLOURS, COLOURS), interpolation=cv2.INTER_AREA)
    return bytes(grey.tobytes() + np.moveaxis(colours, 2, 0).tobytes())


@dataclass
class Thumbnails:
    """The thumbnails of many images, as bytes: a kilobyte each."""

    values: ByteArray
    """(N, `BYTES`) uint8."""

    def __len__(self) -> int:
        return len(self.values)

    def grey(self, rows: npt.NDArray[np.int64] | slice) -> SingleArray:
        """(P, SIDE, SIDE) brightness 0..1."""
        chosen: SingleArray = self.values[rows, : SIDE * SIDE].astype(np.float32) / np.float32(255)
        return chosen.reshape(-1, SIDE, SIDE)

    def colours(self, rows: npt.NDArray[np.int64] | slice) -> SingleArray:
        """(P, 2, COLOURS, COLOURS) differences of colour, -0.5..0.5."""
        chosen: SingleArray = self.values[rows, SIDE * SIDE :].astype(np.float32) - np.float32(128)
        chosen /= np.float32(255)
        return chosen.reshape(-1, 2, COLOURS, COLOURS)


class _Move(NamedTuple):
    """Where the pixels of one image lie in the other: position = scale * position + shift."""

    scale: SingleArray
    """(P, 2), of y and x."""
    shift: SingleArray
    """(P, 2), as a fraction of the side."""


def difference(
    thumbnails: Thumbnails, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> SingleArray:
    """Fraction of one image that the other, moved a little, does not explain.

    Args:
        thumbnails: Of all images.
        first: (P,) positions.
        second: (P,) positions of the images that they are compared with.

    Returns:
        (P,) float32: 0 for the same picture, about 1 for two with nothing in common; symmetric in
        `first` and `second`.
    """
    differences = np.empty(len(first), np.float32)
    for start in range(0, len(first), BLOCK):
        part = slice(start, start + BLOCK)
        own, other = first[part], second[part]
        there = _unexplained(thumbnails, own, other)
        differences[part] = (there + _unexplained(thumbnails, other, own)) / 2
    return differences


def _unexplained(
    thumbnails: Thumbnails, target: npt.NDArray[np.int64], source: npt.NDArray[np.int64]
) -> SingleArray:
    wanted, given = thumbnails.grey(target), thumbnails.grey(source)
    move = _align(wanted, given)
    inside = slice(EDGE, SIDE - EDGE)
    moved = _moved(given, move)[:, inside, inside]
    colours = thumbnails.colours(source)
    tinted = np.stack([_moved(colours[:, part], move) for part in (0, 1)], 1)[:, :, 1:-1, 1:-1]
    return _residual(
        wanted[:, inside, inside], moved, thumbnails.colours(target)[:, :, 1:-1, 1:-1], tinted
    )


def _align(wanted: SingleArray, given: SingleArray) -> _Move:
    """Gauss-Newton steps for shift, scale, gain and offset of all pairs at once."""
    count = len(wanted)
    scale, shift = np.ones((count, 2), np.float32), np.zeros((count, 2), np.float32)
    inside = slice(EDGE, SIDE - EDGE)
    aim = wanted[:, inside, inside].reshape(count, -1, 1)
    across = _centred(SIDE)[inside]
    for _ in range(STEPS):
        moved = _moved(given, _Move(scale, shift))
        down, right = (
            np.asarray(np.gradient(moved, axis=axis), np.float32)[:, inside, inside] * SIDE
            for axis in (1, 2)
        )
        body = moved[:, inside, inside]
        parts = [
            np.ones_like(body), body, down, right, down * across[:, None], right * across[None]
        ]  # fmt: skip
        columns = np.stack([part.reshape(count, -1) for part in parts], 1)
        squares = columns @ columns.transpose(0, 2, 1) + 1e-4 * np.eye(len(parts), dtype=np.float32)
        solved = np.linalg.solve(squares, columns @ aim)[:, :, 0]
        # Where the gain is small, the same slope of brightness means a larger move.
        step = solved[:, 2:] / np.maximum(np.abs(solved[:, 1:2]), 0.05) * np.sign(solved[:, 1:2])
        shift = np.clip(shift + step[:, :2], -MOVED, MOVED)
        scale = np.clip(scale + step[:, 2:], 1 - SCALED, 1 + SCALED)
    return _Move(scale, shift)


@lru_cache
def _centred(side: int) -> SingleArray:
    return ((np.arange(side) - (side - 1) / 2) / side).astype(np.float32)


def middle(pictures: SingleArray, fraction: float) -> SingleArray:
    """The middle of each picture, enlarged to the size of the whole.

    Args:
        pictures: (P, S, S).
        fraction: Of the side.

    >>> middle(np.eye(2, dtype=np.float32)[None], 1.0)[0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    scale = np.full((len(pictures), 2), fraction, np.float32)
    return _moved(pictures, _Move(scale, np.zeros_like(scale)))


def _moved(pictures: SingleArray, move: _Move) -> SingleArray:
    """(P, S, S), interpolated between pixels; beyond the edge the edge is repeated."""
    side = pictures.shape[1]
    at = _centred(side)[None, :, None] * move.scale[:, None] + move.shift[:, None]
    at = np.clip(at * side + (side - 1) / 2, 0, side - 1)
    near = np.maximum(0, 1 - np.abs(at[..., None] - np.arange(side, dtype=np.float32)))
    similarity: SingleArray = near[:, :, 0] @ pictures @ near[:, :, 1].transpose(0, 2, 1)
    return similarity


def _residual(
    wanted: SingleArray, moved: SingleArray, colours: SingleArray, tinted: SingleArray
) -> SingleArray:
    """Fraction of brightness and colour left, the least over leaving out one or no corner."""
    products = [np.ones_like(wanted), wanted, moved, wanted**2, moved**2, wanted * moved]
    sums = np.stack(products, 1)
    cut, rest = slice(None, CORNER - EDGE), slice(EDGE - CORNER, None)
    whole = sums.sum((2, 3))
    spread = colours.var((2, 3)).sum(1)
    best, all_seen = np.ones(len(wanted), np.float32), np.zeros(len(wanted), np.float32)
    for corner in (None, (cut, cut), (cut, rest), (rest, cut), (rest, rest)):
        kept = whole if corner is None else whole - sums[:, :, corner[0], corner[1]].sum((2, 3))
        pixels, a, b, aa, bb, ab = np.moveaxis(kept, 1, 0)
        total, power, common = aa - a * a / pixels, bb - b * b / pixels, ab - a * b / pixels
        gain = np.maximum(common, 0) / np.maximum(power, FAINTEST * pixels)
        left = np.maximum(total - 2 * gain * common + gain**2 * power, 0)
        off = ((colours - gain[:, None, None, None] * tinted) ** 2).mean((2, 3)).sum(1)
        seen = total + spread * pixels
        if corner is None:
            all_seen = seen
        fraction = (left + off * pixels) / np.maximum(seen, FAINTEST * pixels)
        # If the corner holds most of the content, the rest proves nothing.
        telling = (total >= FAINTEST * pixels) & (seen >= all_seen / 2)
        best = np.where(telling, np.minimum(best, fraction), best)
    return best.astype(np.float32)
