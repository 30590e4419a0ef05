"""Bad images are found by decoding, listed by reason, and never more than the limit."""

from pathlib import Path

import pytest

from adapt.data.sources.folders import from_folder
from adapt.data.splits.quarantine import Quarantined, quarantine
from adapt.errors import DataError
from tests.helpers.image_fixtures import folder


def test_all_good(tmp_path: Path) -> None:
    images = folder(tmp_path, ["cat/1.png", "dog/1.png"])
    assert quarantine(images) == (images, [])


def test_bad_ones_are_set_aside(tmp_path: Path) -> None:
    folder(tmp_path, ["cat/1.png", "dog/1.png", "dog/2.jpg"])
    (tmp_path / "cat" / "empty.png").write_bytes(b"")
    half = (tmp_path / "dog" / "2.jpg").read_bytes()
    (tmp_path / "dog" / "2.jpg").write_bytes(half[: len(half) - 40])
    (tmp_path / "fox").mkdir()
    (tmp_path / "fox" / "text.jpg").write_text("hello")
    images = from_folder(tmp_path)
    good, bad = quarantine(images, limit=0.6)
    assert good.labels == ["cat", "dog"]
    assert bad == [
        Quarantined(f"{tmp_path}/cat/empty.png", "empty file"),
        Quarantined(f"{tmp_path}/dog/2.jpg", "damaged or truncated image"),
        Quarantined(f"{tmp_path}/fox/text.jpg", "not an image"),
    ]
    assert good.notes == [
        "3 of 5 images cannot be read and were left out",
        "classes without a readable image: fox",
    ]
    assert images.notes == []
    with pytest.raises(DataError) as caught:
        quarantine(images)
    assert str(caught.value) == (
        f"{tmp_path} - too many unreadable images - 3 of 5 (limit 1 %): cat/empty.png (empty "
        "file); dog/2.jpg (damaged or truncated image); fox/text.jpg (not an image) - repair or "
        "remove them, or raise the limit"
    )
    assert caught.value.exit_code == 3


def test_limit_is_exact(tmp_path: Path) -> None:
    images = folder(tmp_path, [f"cat/{number:03}.png" for number in range(100)])
    (tmp_path / "cat" / "000.png").write_bytes(b"")
    assert len(quarantine(images, 0.01)[0]) == 99
    (tmp_path / "cat" / "001.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 100 \(limit 1 %\)"):
        quarantine(images, 0.01)
