"""The images of a split, block by block: equal to each image decoded on its own."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.common.content import content_hash
from adapt.data.decoding.open import ImageError
from adapt.data.shifts.shift import Shift
from adapt.data.sources.folders import from_folder
from adapt.data.sources.image_list import ImageList
from adapt.models.classifier import Classifier
from adapt.training.features import pixels as module
from adapt.training.features.pixels import BUDGET, Pixels, prepare
from adapt.training.settings import Runtime
from tests.helpers.tiny import CLASSES, draw_folder


@pytest.fixture
def images(tmp_path: Path) -> ImageList:
    return from_folder(draw_folder(tmp_path / "own", dict.fromkeys(CLASSES, 3), seed=7))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of the images that were decoded."""
    positions: list[int] = []
    original = ImageList.open
    monkeypatch.setattr(
        ImageList, "open", lambda self, i, *more: (positions.append(i), original(self, i, *more))[1]
    )
    return positions


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("workers", ["0", "3"])
@pytest.mark.parametrize("size", [1, 4, 9, 64])
def test_blocks_are_the_images_in_order(
    keep: bool, workers: str, size: int, images: ImageList, start: Classifier
) -> None:
    own = start.backbone.preprocessing
    expected = np.stack([np.asarray(own.resize(images.open(i))) for i in range(len(images))])
    pixels = prepare(images, own, Runtime(workers=workers), keep)
    for _ in range(2):
        blocks = list(pixels.blocks(size))
        assert [len(block) for block in blocks] == [
            min(size, 9 - first) for first in range(0, 9, size)
        ]
        assert np.array_equal(np.concatenate(blocks), expected)
    part = pixels.subset([7, 0, 7])
    assert np.array_equal(np.concatenate(list(part.blocks(2))), expected[[7, 0, 7]])
    assert part.subset([1]).keys == [pixels.keys[0]]
    (batch,) = part.batches(8, torch.device("cpu"))
    assert torch.equal(batch, torch.stack([own(images.open(i)) for i in (7, 0, 7)]))


def test_keys_name_the_content(images: ImageList, start: Classifier) -> None:
    own, shift = start.backbone.preprocessing, Shift("gaussian_blur", 3)
    plain, shifted = prepare(images, own), prepare(images.with_shift(shift), own)
    assert plain.keys == [content_hash(path) for path in images.paths]
    assert not set(plain.keys) & set(shifted.keys)
    other = prepare(images.with_shift(Shift("gaussian_blur", 4)), own)
    assert len({*shifted.keys, *other.keys}) == 18
    corrupted = images.with_shift(shift)
    expected = [np.asarray(own.resize(corrupted.open(i))) for i in range(9)]
    assert np.array_equal(np.concatenate(list(shifted.blocks(4))), expected)


def test_what_is_kept_is_decoded_once(
    images: ImageList, start: Classifier, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, before = start.backbone.preprocessing, BUDGET.left
    kept = prepare(images, own, keep=True)
    assert BUDGET.left == before, "nothing is taken before an image is asked for"
    list(kept.subset([2, 5]).blocks(4))
    assert before - BUDGET.left == 9 * 32 * 32 * 3
    list(kept.blocks(4))
    list(kept.blocks(4))
    assert sorted(opened) == list(range(9))
    del kept
    gc.collect()
    assert BUDGET.left == before, "given back with the images"
    monkeypatch.setattr(module.BUDGET, "left", 9 * 32 * 32 * 3 - 1)
    opened.clear()
    again = prepare(images, own, keep=True)
    list(again.blocks(4))
    list(again.blocks(4))
    assert len(opened) == 18, "no room: decoded again"


def test_no_more_than_a_few_blocks_are_decoded_ahead(
    images: ImageList, start: Classifier, opened: list[int]
) -> None:
    blocks = prepare(images, start.backbone.preprocessing).blocks(1)
    next(blocks)
    blocks.close()
    assert len(opened) <= 1 + module.BLOCKS_AHEAD


def test_an_unreadable_image_is_named(images: ImageList, start: Classifier) -> None:
    Path(images.paths[4]).write_bytes(b"")
    pixels = prepare(images, start.backbone.preprocessing)
    with pytest.raises(ImageError) as caught:
        list(pixels.blocks(2))
    assert images.paths[4] in str(caught.value)


def test_arrays_in_the_place_of_images(start: Classifier) -> None:
    values = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)
    pixels = Pixels.of(values, start.backbone.preprocessing)
    assert np.array_equal(np.concatenate(list(pixels.blocks(1))), values)
