"""Where a run goes on: at the beginning of the batch in which the finished rows end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapt.models.prediction.stream import Prediction
from adapt.predictions.inputs.base import Item
from adapt.predictions.manifest import NAME, Manifest
from adapt.predictions.parts import Tables, rest, write_parts

TABLES = Tables("csv", ["path", "label", "confidence", "top1", "error", "reason"])


def predictions(count: int) -> Iterator[Prediction]:
    for number in range(count):
        error = "no" if number % 5 == 3 else None
        yield Prediction(f"{number}.png", "cat", 0.5, [("cat", 0.5)], error, reason=error)


@pytest.mark.parametrize(("count", "rows", "sizes"), [
    (7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 3, [2]), (3, 1, [1, 1, 1]),
])  # fmt: skip
def test_parts_and_what_is_counted(count: int, rows: int, sizes: list[int], tmp_path: Path) -> None:
    manifest = Manifest({})
    write_parts(TABLES, predictions(count), tmp_path, manifest, rows)
    assert [part.rows for part in manifest.parts] == sizes
    written = [(tmp_path / f"part-0000{n}.csv").read_text().splitlines() for n in range(len(sizes))]
    named = [line.split(",")[0] for table in written for line in table[1:]]
    assert named == [f"{number}.png" for number in range(count)]
    assert manifest.errors == ({"no": 1} if count > 3 else {})
    assert Manifest.read(tmp_path / NAME) == manifest


@pytest.mark.parametrize(("batch_size", "first"), [(1, 6), (2, 6), (4, 4), (5, 5), (7, 0)])
def test_only_the_batch_at_the_border_is_read_again(
    batch_size: int, first: int, tmp_path: Path
) -> None:
    manifest, read = Manifest({}), list[int]()
    write_parts(TABLES, predictions(6), tmp_path, manifest, 3)

    def item(number: int) -> Item:
        def get() -> str:
            read.append(number)
            return f"{number}.png"

        return Item(f"{number}.png", get)

    left = rest(map(item, range(10)), manifest, batch_size, tmp_path)
    assert left.known == 6 - first
    names = [image.name for image in left.images]
    assert names == [f"{number}.png" for number in range(first, 10)]
    assert read == list(range(first, 10))
