"""Near copies are found whatever was done to them."""

import numpy as np
import pytest
from PIL import Image

from adapt.checks.findings import near_pairs as near
from adapt.checks.findings.near_pairs import near_pairs
from adapt.checks.findings.thumbnails import Thumbnails
from tests.helpers.altered_images import ALTERED, jpeg, photo, thumbnails


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_near_and_others_are_not(name: str) -> None:
    images = [photo(seed) for seed in range(6)]
    both = thumbnails(images + [ALTERED[name](image) for image in images])
    found, values = near_pairs(both)
    assert found.tolist() == [[one, one + 6] for one in range(6)]
    assert values.max() <= near.NEAR


def test_images_without_contrast_are_copies_of_nothing() -> None:
    images = [Image.new("RGB", (64, 64), shade) for shade in ("white", "white", "#fefefe", "red")]
    assert len(near_pairs(thumbnails(images))[0]) == 0


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [photo(seed, (40, 40)) for seed in range(12)]
    both = thumbnails(images + [jpeg(image, 60) for image in images])
    whole = near_pairs(both)
    steps: list[int] = []
    monkeypatch.setattr(near, "CELLS", 5 * 24)
    parts = near_pairs(both, steps.append)
    np.testing.assert_array_equal(whole[0], parts[0])
    assert steps == [5, 10, 15, 20, 24]


def test_many_equal_thumbnails_are_one_set(monkeypatch: pytest.MonkeyPatch) -> None:
    one = thumbnails([photo(0)]).values[0]
    values = Thumbnails(np.stack([one] * 8 + [thumbnails([photo(1)]).values[0]]))
    assert len(near_pairs(values)[0]) == 8 * 7 / 2
    monkeypatch.setattr(near, "SAME", 7)
    assert near_pairs(values)[0].tolist() == [[0, other] for other in range(1, 8)]
