"""Splits are told by the names of files."""

import pytest

from adapt.data.sources.split_names import choose_split, split_of
from adapt.errors import DataError

SPLITS = {
    "train-000.tar": "train", "data/test-00000-of-00001.parquet": "test", "dev/1.tar": "validation",
    "data/hard_test-00000-of-00002.parquet": "hard_test", "photos-000000.tar": None,
    "train_test-1.tar": None, "trainer-1.tar": None, "default/train/0000.parquet": "train",
}  # fmt: skip


def test_names_of_splits() -> None:
    assert {name: split_of(name) for name in SPLITS} == SPLITS
    with pytest.raises(DataError, match=r"several splits - train, 1 files of no split"):
        choose_split("s", ["train-0.tar", "0.tar"], None)
    assert choose_split("s", ["0.tar", "1.tar"], None) == ["0.tar", "1.tar"]
