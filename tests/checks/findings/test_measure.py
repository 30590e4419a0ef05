"""Each file is decoded once and measured; what is told of it agrees with direct computation."""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import special

from adapt.checks.findings.faults import picture_findings
from adapt.checks.findings.measure import REFERENCE, Picture, measure, sharpness
from tests.helpers.checked_images import blurred, by_kind, places, texture


def test_values_agree_with_numpy(tmp_path: Path) -> None:
    image = texture(0, (80, 50))
    path = tmp_path / "a.png"
    image.save(path)
    [found] = measure([str(path)])
    pixels = np.asarray(image).astype(float)
    luma = np.floor(pixels @ [0.299, 0.587, 0.114] + 0.5)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.width, found.height, found.format, found.mode) == (80, 50, "PNG", "RGB")
    assert found.brightness == pytest.approx(luma.mean() / 255, abs=2e-3)
    assert found.contrast == pytest.approx(luma.std() / 255, abs=2e-3)
    assert found.darkest == pytest.approx(np.quantile(luma, 0.01) / 255, abs=5e-3)
    assert found.lightest == pytest.approx(np.quantile(luma, 0.99) / 255, abs=5e-3)
    assert found.variation == pytest.approx(pixels.std((0, 1)).max() / 255, rel=1e-4)
    assert Picture(**json.loads(json.dumps(asdict(found)))) == replace(
        found, notes=list(found.notes)
    )


def test_sharpness_is_the_width_of_the_edge() -> None:
    x = np.arange(256) - 127.5
    for width in (2.0, 3.0, 5.0):
        edge = 127 * (1 + special.erf(x / width / np.sqrt(2)))
        found = sharpness(np.tile(edge.round().astype(np.uint8), (64, 1)))
        assert found == pytest.approx(1 / (2 * (width**2 + 0.7**2)), rel=0.15)


@pytest.mark.parametrize("factor", [2, 4])
def test_measures_hardly_depend_on_resolution(tmp_path: Path, factor: int) -> None:
    image = blurred(texture(1, (256, 192)), 1)
    image.save(tmp_path / "small.png")
    larger = image.resize((256 * factor, 192 * factor), Image.Resampling.BICUBIC)
    larger.save(tmp_path / "large.png")
    small, large = measure([str(tmp_path / "small.png"), str(tmp_path / "large.png")])
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.25)
    assert large.contrast == pytest.approx(small.contrast, rel=0.02)
    assert large.width == 256 * factor > REFERENCE


def test_every_image_is_seen_once_and_by_threads(tmp_path: Path) -> None:
    for number in range(40):
        Image.new("RGB", (number + 1, 3), (number, 0, 0)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "10.png").write_bytes(b"")
    paths = [str(tmp_path / f"{number:02}.png") for number in range(40)]
    seen: list[tuple[int, int]] = []
    done: list[int] = []
    lock = threading.Lock()

    def also(index: int, image: Image.Image) -> None:
        with lock:
            seen.append((index, image.width))

    found = measure(paths, also, done.append)
    assert sorted(seen) == [(one, one + 1) for one in range(40) if one != 10]
    assert [one.width for one in found] == [0 if one == 10 else one + 1 for one in range(40)]
    assert done == sorted(done)
    assert done[-1] == 40


def test_errors_do_not_stop_and_give_reasons(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    names = ["good.png", "empty.jpg", "text.jpg", "folder.jpg", "gone.jpg", "nul\0.jpg"]
    found = measure([str(tmp_path / name) for name in names])
    reasons = [None, "empty file", "not an image", "not a file", "no such file", "cannot be read"]
    assert [one.error for one in found] == reasons
    assert found[2].sha256 == hashlib.sha256(b"hello").hexdigest()
    assert [one.sha256 for one in found[3:]] == ["", "", ""]
    kinds = by_kind(picture_findings(found, places(6)))
    unreadable = kinds["unreadable"]
    assert unreadable.level == "error"
    assert unreadable.details["reasons"] == Counter(reasons[1:])
    assert unreadable.remove == tuple(places(6)[1:])
    assert unreadable.message.startswith("5 of 6 images cannot be read: ")


def test_format_frames_and_conversions(tmp_path: Path) -> None:
    frames = [Image.new("L", (40, 40), 30 * one) for one in range(3)]
    frames[0].save(tmp_path / "a.jpg", format="GIF", save_all=True, append_images=frames[1:])
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40).save(tmp_path / "b.png")
    found = measure([str(tmp_path / "a.jpg"), str(tmp_path / "b.png")])
    assert [one.suffix_matches for one in found] == [False, True]
    kinds = by_kind(picture_findings(found, places(2)))
    assert kinds["wrong_extension"].details == {"formats": {"GIF": 1}}
    assert kinds["several_frames"].values == (3.0,)
    assert kinds["converted"].places == ((places(2)[1],),)
    assert list(kinds["converted"].details["notes"]) == ["values of I;16 brought to 8 bits"]
