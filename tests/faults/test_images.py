"""Faults of image files, as `adapt check`, `adapt run` and `predict` show them: rows F1 to F13."""

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

import adapt
from adapt.checks.check import Check
from adapt.data.decoding.open import ImageError, inspect_image, open_image
from adapt.errors import DataError
from tests.helpers.image_fixtures import (
    PIXELS,
    UPRIGHT,
    bombs,
    encoded,
    modes,
    with_orientation,
)
from tests.helpers.planted import draw, scene
from tests.helpers.tiny import VIT, run_python, tiny_classifier

NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
WHOLE = Image.fromarray(NOISE)
RECIPE = f"""
version: 1
name: faults
model: {{arch: {VIT}, pretrained: random}}
data:
  train: {{kind: folder, root: ROOT}}
  val: {{from: train, fraction: 0.2}}
  quarantine_limit: LIMIT
  exclude: EXCLUDE
method: {{name: zero_shot}}
ensemble: {{kind: none}}
evals: {{}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""


def exif_of(image: Image.Image, orientation: int) -> bytes:
    return encoded(image, exif=with_orientation(orientation))


def huge_chunks() -> dict[str, bytes]:
    """PNGs whose text or profile is far larger than the picture."""
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "x" * 80_000_000, zip=True)
    profile = encoded(WHOLE, icc_profile=bytes(5 << 20))
    return {"text": encoded(WHOLE, pnginfo=text), "profile": profile}


def series(kind: str) -> bytes:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    return encoded(WHOLE, kind, save_all=True, append_images=[WHOLE.rotate(90)], **options)


FILES: dict[str, bytes] = {
    "empty.jpg": b"",
    "cut.jpg": encoded(WHOLE, "JPEG")[:2000],
    "cut.png": encoded(WHOLE)[:2000],
    "text.jpg": b"just some words",
    "page.jpg": b"<!DOCTYPE html><html>404 not found</html>",
    "paper.jpg": b"%PDF-1.7 ...",
    "animation.jpg": encoded(WHOLE, "GIF"),
    "drawing.png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "print.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
    "layers.jpg": b"8BPS\0\1" + bytes(40),
    "stars.png": b"SIMPLE  =                    T" + bytes(2880),
    "meta.png": b"\xd7\xcd\xc6\x9a" + bytes(40),
    "photo-1.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40),
    "photo-2.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
    "dot.png": encoded(WHOLE.resize((1, 1))),
    "line.png": encoded(WHOLE.resize((1, 5000))),
    "strip.png": encoded(WHOLE.resize((20000, 2))),
    "turned.png": exif_of(WHOLE.resize((60, 50)), 6),
    "broken_exif.jpg": encoded(WHOLE.resize((50, 60)), "JPEG", exif=b"Exif\0\0nonsense"),
    "series.gif": series("GIF"),
    "series.webp": series("WEBP"),
    "pages.tif": series("TIFF"),
    "bomb.png": bombs()["60000.png"],
}
REASONS = {
    "empty.jpg": "empty file",
    "cut.jpg": "damaged or truncated image",
    "cut.png": "damaged or truncated image",
    "text.jpg": "not an image",
    "page.jpg": "not an image",
    "paper.jpg": "not an image that is read",
    "drawing.png": "not an image that is read",
    "print.jpg": "not an image that is read",
    "layers.jpg": "not an image that is read",
    "stars.png": "not an image that is read",
    "meta.png": "not an image that is read",
    "photo-1.heic": "needs the `heic` extra",
    "photo-2.heic": "needs the `heic` extra",
    "bomb.png": "too many pixels",
}


@dataclass
class Seen:
    """What came of a folder with all of `FILES` among good images."""

    root: Path
    check: Check
    quarantined: dict[str, str]
    """Reasons of the run, by file name."""
    notes: str
    """Of the run's report."""

    def places(self, kind: str) -> set[str]:
        findings = [finding for finding in self.check.findings if finding.kind == kind]
        return {
            Path(place.path).name for one in findings for group in one.places for place in group
        }


def recipe(folder: Path, root: Path, limit: float = 1, exclude: str = "null") -> Path:
    text = RECIPE.replace("ROOT", str(root)).replace("LIMIT", str(limit))
    (folder / "recipe.yaml").write_text(text.replace("EXCLUDE", exclude))
    return folder / "recipe.yaml"


def photos(root: Path, count: int = 6) -> Path:
    for number, label in enumerate(("cat", "dog")):
        for index in range(count):
            draw(root / label / f"{index}.png", 100 * number + index)
    return root


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("faults")
    root = photos(folder / "photos")
    for name, data in FILES.items():
        (root / "cat" / name).write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)
        # Another library may have allowed half images.
        patch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        done = adapt.run(recipe(folder, root), [], folder / "run")
        patch.setattr(subprocess, "Popen", _no_process)  # such as Ghostscript
        found = adapt.check(root, model=None)
    quarantined = {Path(one["path"]).name: one["reason"] for one in done.scores["quarantined"]}
    return Seen(root, found, quarantined, "\n".join(done.scores["notes"]))


def _no_process(*_: object, **__: object) -> None:
    raise AssertionError("a process was started")


def refused(seen: Seen, *names: str) -> None:
    """Check and run name these files with the stated reason, and `predict` gives an error each."""
    for name in names:
        assert seen.quarantined[name] == REASONS[name]
        assert name in seen.places("unreadable")
    (unreadable,) = (one for one in seen.check.findings if one.kind == "unreadable")
    for name in names:
        assert unreadable.details["reasons"][REASONS[name]] == list(REASONS.values()).count(
            REASONS[name]
        )
    answers = tiny_classifier().predict([seen.root / "cat" / name for name in names])
    assert all(answer.label is None for answer in answers)


def read(seen: Seen, *names: str) -> None:
    """These files are used."""
    for name in names:
        assert name not in seen.quarantined
        assert name not in seen.places("unreadable")
    answers = tiny_classifier().predict([seen.root / "cat" / name for name in names])
    assert all(answer.error is None for answer in answers)


def test_f01_zero_byte_image(seen: Seen, tmp_path: Path) -> None:
    refused(seen, "empty.jpg")
    root = photos(tmp_path / "photos")
    (root / "cat" / "empty.jpg").write_bytes(b"")
    with pytest.raises(DataError) as caught:  # one of thirteen is more than 1 %
        adapt.run(recipe(tmp_path, root, 0.01), [], tmp_path / "run")
    assert "too many unreadable images - 1 of 13 (limit 1 %)" in str(caught.value)
    assert "cat/empty.jpg (empty file)" in str(caught.value)
    assert caught.value.exit_code == 3


def test_f02_truncated_image(seen: Seen) -> None:
    refused(seen, "cut.jpg", "cut.png")


def test_f03_text_page_or_paper_named_jpg(seen: Seen) -> None:
    refused(seen, "text.jpg", "page.jpg", "paper.jpg")


def test_f04_gif_named_jpg(seen: Seen) -> None:
    read(seen, "animation.jpg")
    assert "animation.jpg" in seen.places("wrong_extension")
    assert "has a suffix that does not fit the content: 1 GIF" in seen.notes
    frame = np.asarray(Image.open(io.BytesIO(FILES["animation.jpg"])).convert("RGB"))
    np.testing.assert_array_equal(np.asarray(open_image(seen.root / "cat/animation.jpg")), frame)


def test_f05_format_that_is_not_read(seen: Seen) -> None:
    refused(seen, "drawing.png", "print.jpg", "layers.jpg", "stars.png", "meta.png")


BOMB = """
import resource, sys, warnings
from pathlib import Path
from adapt.data.decoding.open import ImageError, open_image, inspect_image
warnings.simplefilter("ignore")
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
open_image(Path(sys.argv[1]))
for read in (open_image, inspect_image):
    for path in sys.argv[1:]:
        before = peak()
        try:
            read(Path(path))
        except ImageError as error:
            print(error.reason, peak() - before, sep="|")
"""


def test_f06_decompression_bomb(seen: Seen, tmp_path: Path) -> None:
    refused(seen, "bomb.png")
    good = tmp_path / "good.webp"
    good.write_bytes(encoded(Image.fromarray(PIXELS), "WEBP"))
    for name, data in bombs().items():
        (tmp_path / name).write_bytes(data)
    paths = [str(good), *(str(tmp_path / name) for name in bombs())]
    lines = run_python(BOMB, tmp_path, *paths).split("\n")[:-1]
    assert len(lines) == 2 * len(bombs())
    kilobyte = 1024 if sys.platform == "darwin" else 1
    for line in lines:
        reason, grown = line.split("|")
        # The latter is what Pillow before 13 says of one of them.
        assert reason in ("too many pixels", "damaged or truncated image")
        assert int(grown) < 4096 * kilobyte


def test_f07_huge_chunk_or_several_frames(seen: Seen) -> None:
    for data in huge_chunks().values():
        with pytest.raises(
            ImageError, match=r"too large for PngImagePlugin\.MAX_TEXT_CHUNK"
        ) as caught:
            open_image(data)
        assert caught.value.reason == "damaged or truncated image"
    names = ["series.gif", "series.webp", "pages.tif"]
    read(seen, *names)
    assert seen.places("several_frames") == set(names)
    assert "have several frames or pages; the first is used" in seen.notes
    for name in names[1:]:
        np.testing.assert_array_equal(np.asarray(open_image(FILES[name])), NOISE)


def test_f08_colour_modes(tmp_path: Path) -> None:
    """Each mode has its stated pixels, and the check counts them."""
    root = photos(tmp_path / "photos")
    good = {name: built for name, built in modes() if not built[1].reason}
    expected: dict[str, int] = {}
    for name, (data, wanted) in good.items():
        (root / "cat" / f"mode-{name}").write_bytes(data)
        image, facts = inspect_image(data)
        assert wanted.pixels is not None
        difference = np.abs(np.asarray(image).astype(int) - wanted.pixels)
        assert difference.max() <= wanted.within
        expected[facts.mode] = expected.get(facts.mode, 0) + 1
    expected["RGB"] = expected.get("RGB", 0) + 12
    (converted,) = (f for f in adapt.check(root, model=None).findings if f.kind == "converted")
    assert converted.details["modes"] == expected
    assert {"1", "L", "LA", "P", "RGB", "RGBA", "I;16", "F", "CMYK"} <= expected.keys()
    for name, (data, wanted) in modes():
        if wanted.reason:
            with pytest.raises(ImageError, match=wanted.reason):
                open_image(data)
            assert name in ("i.tif", "f_bytes.tif")  # a scale that nobody can know


@pytest.mark.parametrize("orientation", range(1, 9))
def test_f09_exif_orientation(seen: Seen, orientation: int) -> None:
    image, facts = inspect_image(exif_of(Image.fromarray(PIXELS), orientation))
    np.testing.assert_array_equal(np.asarray(image), UPRIGHT[orientation](PIXELS))
    assert facts.orientation == orientation
    read(seen, "turned.png", "broken_exif.jpg")
    assert {"turned.png", "broken_exif.jpg"} <= seen.places("converted")
    assert "1 broken EXIF ignored" in seen.notes
    assert "1 turned upright from EXIF orientation 6" in seen.notes


def test_f10_heic_without_its_extra(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(seen, "photo-1.heic", "photo-2.heic")
    (unreadable,) = (one for one in seen.check.findings if one.kind == "unreadable")
    assert "2 needs the `heic` extra" in unreadable.message
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError) as caught:
        open_image(seen.root / "cat/photo-1.heic")
    assert str(caught.value).endswith("a HEIC photo - pip install 'adapt-clip[heic]'")


def test_f11_extreme_sizes(seen: Seen) -> None:
    read(seen, "dot.png", "line.png", "strip.png")
    assert seen.places("extreme_aspect") == {"line.png", "strip.png"}
    assert "2 of" in seen.notes
    assert "more than 4 times as long as wide" in seen.notes


def test_f12_same_bytes_in_two_classes(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    (root / "dog" / "twin.png").write_bytes((root / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError) as caught:
        adapt.run(recipe(tmp_path, root), [], tmp_path / "refused")
    assert "cat/0.png" in str(caught.value)
    assert "dog/twin.png" in str(caught.value)
    assert caught.value.exit_code == 3
    found = adapt.check(root, model=None)
    (conflict,) = (one for one in found.findings if one.kind == "conflicting_label")
    assert conflict.level == "error"
    assert {place.path for place in conflict.places[0]} == {"cat/0.png", "dog/twin.png"}
    found.write_exclusions(tmp_path / "list.txt")
    done = adapt.run(
        recipe(tmp_path, root, exclude=str(tmp_path / "list.txt")), [], tmp_path / "run"
    )
    assert f"left out by {tmp_path / 'list.txt'}: 2 of train" in done.scores["notes"]


def test_f13_near_copies_across_train_and_test(tmp_path: Path) -> None:
    for split, seed in (("train", 0), ("test", 1000)):
        for number, label in enumerate(("cat", "dog")):
            for index in range(4):
                draw(
                    tmp_path / "photos" / split / label / f"{index}.png",
                    seed + 100 * number + index,
                )
    scene(0).save(tmp_path / "photos/test/cat/copy.jpg", quality=70)
    found = adapt.check(tmp_path / "photos")
    (leak,) = (one for one in found.findings if one.kind == "near_leak")
    assert leak.level == "warning"
    assert [[place.path for place in pair] for pair in leak.places] == [
        ["cat/0.png", "cat/copy.jpg"]
    ]
    assert [place.split for place in leak.places[0]] == ["train", "test"]
    assert [place.path for place in leak.remove] == ["cat/0.png"]
    row = found.content["leak_free"]["test"]
    assert (row["images"], row["leaked"]) == (9, 1)
    assert 0 <= row["leak_free_accuracy"] <= 1
    assert found.failed("warning")
    assert not found.failed("error")


def test_every_file_is_spoken_for(seen: Seen) -> None:
    assert seen.quarantined == REASONS
