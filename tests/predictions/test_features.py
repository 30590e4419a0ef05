"""Features beside a table: a row for each of its rows."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from adapt.predictions import features as module
from adapt.predictions.features import FEATURES
from adapt.predictions.settings import FEATURE_FORMATS

ROWS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))


def write(kind: str, path: Path, count: int) -> None:
    with FEATURES[kind](path, 5) as add:
        for number in range(count):
            add(f"{number}.png", None if number % 4 == 1 else ROWS[number])


def test_formats_are_those_of_the_settings() -> None:
    assert tuple(FEATURES) == FEATURE_FORMATS


@pytest.mark.parametrize("count", [0, 1, 9, 10, 12])
def test_an_array_of_any_length(count: int, tmp_path: Path) -> None:
    write("npy", tmp_path / "a.npy", count)
    expected = ROWS[:count].numpy().copy()
    expected[1::4] = np.nan
    values = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, expected)


def test_a_table_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 5)
    write("parquet", tmp_path / "a.parquet", 12)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("path").to_pylist() == [f"{number}.png" for number in range(12)]
    for number, row in enumerate(table.column("features").to_pylist()):
        assert row == (None if number % 4 == 1 else ROWS[number].tolist())
