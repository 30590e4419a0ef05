"""One image is a source of one row, whatever it is called."""

from pathlib import Path

from adapt.predictions.inputs.base import Reading


def test_one_image(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg_large"
    path.write_bytes(b"")
    reading = Reading(str(path))
    assert [item.name for item in reading.items()] == [str(path)]
    assert reading.count() == 1
