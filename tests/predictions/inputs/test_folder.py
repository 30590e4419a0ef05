"""A folder is listed lazily, in one order, and nothing in it is left out in silence."""

import os
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import DataError
from adapt.predictions.inputs.base import Reading


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("b.png", "a.JPG", "B.png", "z/1.webp", "c/2.png", "c/d/3.png", "n.txt", "z/m.TXT"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    for name in (".hidden.png", "Thumbs.db", "c/no_suffix", ".git/x.png", "__MACOSX/y.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "circle").symlink_to(root, target_is_directory=True)
    return root


def test_order_and_what_is_left_out(root: Path) -> None:
    reading = Reading(str(root))
    names = [str(Path(item.name).relative_to(root)) for item in reading.items()]
    assert names == ["B.png", "a.JPG", "b.png", "c/2.png", "c/d/3.png", "z/1.webp"]
    assert reading.skipped == {".txt": 2, "no suffix": 1, "link to a folder": 1}
    assert reading.count() == 6


def test_folders_are_listed_when_their_turn_comes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    scan = os.scandir

    def noted(path: Any) -> Any:
        listed.append(Path(path).name)
        return scan(path)

    monkeypatch.setattr(os, "scandir", noted)
    items = Reading(str(root)).items()
    assert listed == []
    for expected in (["root"], ["root"], ["root"], ["root", "c"]):
        next(items)
        assert listed == expected


def test_a_folder_that_cannot_be_listed_has_a_row(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refused(path: Any) -> Any:
        if Path(path).name == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    closed = "c"
    items = [item.load() for item in Reading(str(root)).items()]
    names = [str(Path(item.name).relative_to(root)) for item in items]
    assert names == ["B.png", "a.JPG", "b.png", "c", "z/1.webp"]
    assert str(items[3].problem) == (
        f"{root / 'c'} - folder cannot be read - Permission denied - check that you may read it"
    )
    closed = "root"
    with pytest.raises(DataError, match="root - folder cannot be read - Permission denied"):
        next(Reading(str(root)).items())
