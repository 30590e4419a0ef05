"""The gallery: pages are small, need nothing else, and hold no image that may not be passed on."""

import doctest
import json
import re
from pathlib import Path

import pytest

from tools.site import gallery

PAGE = (gallery.ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
PAGES = sorted(gallery.PAGES.glob("*.html"))


def test_doctests() -> None:
    assert not doctest.testmod(gallery).failed


def test_every_page_is_shown_with_its_picture() -> None:
    assert {path.name for path in PAGES} == set(re.findall(r"gallery/(\w+\.html)", PAGE))
    for path in PAGES:
        assert f"figures/gallery/{path.stem}.png" in PAGE
        assert (gallery.PICTURES / f"{path.stem}.png").is_file()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_small_and_needs_nothing_else(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= gallery.LARGEST
    assert not re.search(r'(?:src|href)="(?!#|data:image/)', text)
    assert not re.search(r"/(?:work|home|root|tmp|Users)/", text), "a path of a machine"


def test_images_that_may_not_be_passed_on_are_not_there() -> None:
    text = (gallery.PAGES / "pacs.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "data:image" not in text.partition("</head>")[2]
    assert not re.search(r"\.jpe?g\b", text)


def test_a_copy_without_images_has_scores_alone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "figures").mkdir(parents=True)
    for name in ("scores.json", "curve.json", "mistakes.json", "split.json", "augmentation.png"):
        (run / name).write_text(json.dumps({"models": {}}), encoding="utf-8")
    copy = gallery.without_images(run, tmp_path / "copy")
    assert sorted(file.name for file in copy.iterdir()) == ["curve.json", "scores.json"]


def test_planted_faults(tmp_path: Path) -> None:
    folder = gallery.faulty_photos(tmp_path / "photos")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(path.name.startswith("moved-") for path in files) == 3
    assert sum(path.name.startswith("copy-of-") for path in files) == 3
    assert sum(path.name.startswith("also-") for path in files) == 1
    assert sum(path.stat().st_size == 200 for path in files) == 1
