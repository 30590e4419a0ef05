"""How well images and captions find each other: ranks and recall in both directions.

As on Flickr30k and COCO (Karpathy and Fei-Fei 2015, arXiv:1412.2306; CLIP, arXiv:2103.00020): an
image with several captions is right with any of them, and each caption has one image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from adapt.common.arrays import FloatArray, IntArray
from adapt.errors import DataError
from adapt.evaluation.metrics.intervals import WILSON, proportion_interval

CUTOFFS = (1, 5, 10)
"""Ranks up to which an answer counts."""
BLOCK = 1024
"""Rows of similarities that are in memory at once."""
IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image_to_text", "text_to_image"


@dataclass(frozen=True)
class Ranks:
    """How many wrong answers come before the first right one: 0 is a right answer first.

    A wrong answer that is as similar as the right one comes before it, so that a model which tells
    nothing apart has no success by the order of the files.
    """

    image_to_text: IntArray
    """Of each image's best own caption among all captions, shape (N,)."""
    text_to_image: IntArray
    """Of each caption's image among all images, shape (M,)."""
    owner: IntArray
    """Image of each caption, shape (M,)."""


def retrieval_ranks(images: npt.ArrayLike, texts: npt.ArrayLike, owner: npt.ArrayLike) -> Ranks:
    """Ranks in both directions by the product of features.

    Args:
        images: Features of the images (N, D); unit ones for cosines.
        texts: Features of the captions (M, D).
        owner: Image of each caption (M,), from 0 to N - 1; each image has one or more.

    Raises:
        DataError: When shapes do not fit, or an image has no caption.

    >>> ranks = retrieval_ranks(np.eye(2), [[1, 0.2], [0.3, 0.2], [0, 1]], [0, 1, 1])
    >>> ranks.image_to_text.tolist(), ranks.text_to_image.tolist()
    ([0, 0], [0, 1, 0])
    """
    seen, read = np.asarray(images, np.float32), np.asarray(texts, np.float32)
    of = np.asarray(owner, np.int64)
    if seen.ndim != 2 or read.ndim != 2 or seen.shape[1] != read.shape[1] or len(of) != len(read):
        given = f"{seen.shape} images, {read.shape} captions, {of.shape} owners"
        advice = "give features (N, D) and (M, D), and the image of each caption (M,)"
        raise DataError(f"retrieval - shapes do not fit - {given} - {advice}")
    counts = np.bincount(of, minlength=len(seen)) if len(of) and of.min() >= 0 else np.zeros(0)
    if len(counts) != len(seen) or not counts.all():
        lacking = int((counts == 0).sum()) if len(counts) == len(seen) else "unknown"
        advice = "give one caption or more for each image, and no others"
        raise DataError(f"retrieval - images without a caption - {lacking} - {advice}")
    by_image, by_text = np.empty(len(seen), np.int64), np.empty(len(read), np.int64)
    for at in range(0, len(seen), BLOCK):
        rows = np.arange(at, min(at + BLOCK, len(seen)))
        similarity = seen[rows] @ read.T
        own = of[None, :] == rows[:, None]
        best = np.where(own, similarity, -np.inf).max(1, keepdims=True)
        by_image[rows] = ((similarity >= best) & ~own).sum(1)
    for at in range(0, len(read), BLOCK):
        rows = np.arange(at, min(at + BLOCK, len(read)))
        similarity = read[rows] @ seen.T
        right = similarity[np.arange(len(rows)), of[rows]]
        by_text[rows] = (similarity >= right[:, None]).sum(1) - 1
    return Ranks(by_image, by_text, of)


def retrieval_scores(
    ranks: Ranks, cutoffs: Sequence[int] = CUTOFFS, interval: str = WILSON
) -> dict[str, Any]:
    """Recall in both directions, with 95 % intervals and what chance would give.

    The captions of an image are right and wrong together, so the interval of text to image counts
    images, not captions.

    Args:
        ranks: See `retrieval_ranks`.
        cutoffs: Ranks up to which an answer counts.
        interval: See `proportion_interval`.

    Returns:
        `images` N, `captions` M, and for `image_to_text` and `text_to_image`: `n` questions,
        `recall@k` from 0 to 1, `recall@k_ci`, `chance@k` for each cut-off and `median_rank`,
        where 1 is best.

    >>> scores = retrieval_scores(retrieval_ranks(np.eye(2), np.eye(2), [0, 1]))
    >>> scores["image_to_text"]["recall@1"], scores["text_to_image"]["chance@1"]
    (1.0, 0.5)
    """
    count, captions = len(ranks.image_to_text), len(ranks.text_to_image)
    chance = {
        IMAGE_TO_TEXT: [_chance(np.bincount(ranks.owner), captions, k) for k in cutoffs],
        TEXT_TO_IMAGE: [min(k / count, 1.0) for k in cutoffs],
    }
    scores: dict[str, Any] = {"images": count, "captions": captions}
    for direction in (IMAGE_TO_TEXT, TEXT_TO_IMAGE):
        own: IntArray = getattr(ranks, direction)
        entry: dict[str, Any] = {"n": len(own)}
        for cutoff, by_chance in zip(cutoffs, chance[direction], strict=True):
            share = float((own < cutoff).mean())
            entry[f"recall@{cutoff}"] = share
            entry[f"recall@{cutoff}_ci"] = proportion_interval(share * count, count, interval)
            entry[f"chance@{cutoff}"] = by_chance
        entry["median_rank"] = float(np.median(own)) + 1
        scores[direction] = entry
    return scores


def _chance(own: FloatArray | IntArray, captions: int, cutoff: int) -> float:
    """How often one of an image's own captions is among the first of a random order."""
    if cutoff >= captions:
        return 1.0
    others = captions - np.asarray(own, np.float64)
    few = others < cutoff  # then an own caption must come
    left = np.where(few, cutoff, others)
    none = gammaln(left + 1) - gammaln(left - cutoff + 1)
    none -= gammaln(captions + 1) - gammaln(captions - cutoff + 1)
    return float(np.where(few, 1.0, -np.expm1(none)).mean())
