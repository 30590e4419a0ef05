"""Every known fault of images, tables, recipes, bundles and endings has one test of its number."""

import re
from pathlib import Path

ROWS = {*range(1, 33), 34, 35, *range(39, 43), 44, 51, 52}
"""The numbered faults that are held; the others belong to what is not built yet."""


def test_each_fault_has_exactly_one_test_of_its_number() -> None:
    files = (Path(__file__).parents[1] / "faults").glob("test_*.py")
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    numbers = [int(number) for number in re.findall(r"^def test_f(\d\d)_", text, re.MULTILINE)]
    assert len(numbers) == len(set(numbers)), "a fault has two tests"
    assert set(numbers) == ROWS
