"""Which format a table has."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError
from adapt.predictions.outputs.base import TABLES, table_format


def test_every_format_is_found_in_its_folder() -> None:
    assert set(TABLES.table()) == {"csv", "jsonl", "parquet"}


@pytest.mark.parametrize(("name", "given", "folder", "expected"), [
    ("a.CSV", None, False, "csv"), ("a.jsonl", None, True, "jsonl"), ("a", "parquet", False,
    "parquet"), ("a.csv", "jsonl", False, "jsonl"), ("a.d", None, True, "csv"),
])  # fmt: skip
def test_formats(name: str, given: str | None, folder: bool, expected: str) -> None:
    assert table_format(Path(name), given, folder) == expected


@pytest.mark.parametrize(("name", "given", "expected"), [
    ("x.txt", None, "not a format of tables - '.txt'"),
    ("x", None, "not a format of tables - no suffix - give a name that ends in .csv, .jsonl"),
    ("x.parqet", None, "did you mean '.parquet'"),
    ("x.csv", "jsonlines", "--format - not known, did you mean 'jsonl'? - 'jsonlines' - choose"),
])  # fmt: skip
def test_outputs_that_cannot_be(name: str, given: str | None, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        table_format(Path(name), given)
    assert expected in str(caught.value)
