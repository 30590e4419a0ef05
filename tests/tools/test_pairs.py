"""Packed pairs: the order of batches, and broken folders."""

from pathlib import Path

import numpy as np
import pytest

from adapt.errors import DataError
from tests.helpers.training import GROUPS
from tools.pretraining.pairs import CurriculumSampler, PackedPairs


def test_easy_steps_show_frequent_groups_and_resuming_gives_the_same_batches(packed: Path) -> None:
    pairs = PackedPairs(packed)
    sampler = CurriculumSampler(pairs, 64, 6, 3, 8, 3.0, seed=5)
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    assert all(GROUPS[row] < 2 for batch in batches[:3] for row in batch)
    assert any(GROUPS[row] == 2 for batch in batches[3:] for row in batch)
    assert list(CurriculumSampler(pairs, 64, 6, 3, 8, 3.0, seed=5, first=4)) == batches[4:]
    coloured = np.mean([row % 2 == 0 for batch in batches for row in batch])
    assert coloured == pytest.approx(0.75, abs=0.08)  # three to one


@pytest.mark.parametrize("spoil", ["pixels.npy", "pairs.parquet", "length"])
def test_broken_pairs_are_named(spoil: str, packed: Path) -> None:
    if spoil == "length":
        np.save(packed / "pixels.npy", np.zeros((3, 5, 48, 48), np.uint8))
    else:
        (packed / spoil).unlink()
    with pytest.raises(DataError, match="3 images but 22" if spoil == "length" else f"no {spoil}"):
        PackedPairs(packed)
