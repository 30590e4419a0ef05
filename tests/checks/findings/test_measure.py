"""Each file is decoded once and measured; what is told of it agrees with direct computation."""

import hashlib
import json
import threading
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage, special

from adapt.checks.findings.faults import BLURRED, blur_bound, picture_findings
from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import REFERENCE, Picture, measure, sharpness

GOOD = Picture(
    "0", None, 64, 64, "PNG", "RGB", brightness=0.5, contrast=0.2, darkest=0.1, lightest=0.9,
    variation=0.2, sharpness=1.0,
)  # fmt: skip


def texture(seed: int, size: tuple[int, int] = (96, 96)) -> Image.Image:
    """Blobs of several sizes with sharp edges, in colour."""
    noise = np.random.default_rng(seed).normal(size=(size[1], size[0], 3))
    blobs = sum(ndimage.gaussian_filter(noise, (s, s, 0)) * s for s in (2, 5, 11))
    steps = np.digitize(blobs, np.quantile(blobs, [0.2, 0.4, 0.6, 0.8]))
    return Image.fromarray((30 + 48 * steps).astype(np.uint8))


def blurred(image: Image.Image, pixels: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(pixels))


def places(count: int, split: str = "train") -> list[Place]:
    return [Place(split, f"cat/{number}.png", "cat") for number in range(count)]


def by_kind(found: list[Finding]) -> dict[str, Finding]:
    assert len({one.kind for one in found}) == len(found)
    return {one.kind: one for one in found}


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


def test_a_few_unreadable_ones_are_a_warning() -> None:
    pictures = [GOOD] * 199 + [Picture("", "empty file")]
    assert by_kind(picture_findings(pictures, places(200)))["unreadable"].level == "warning"
    mixed = places(150) + places(50, "test")
    assert by_kind(picture_findings(pictures, mixed))["unreadable"].level == "error"


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


def test_shapes() -> None:
    sizes = [(31, 500), (32, 128), (129, 32), (16, 300), (64, 64)]
    pictures = [replace(GOOD, width=width, height=height) for width, height in sizes]
    here = places(5)
    kinds = by_kind(picture_findings(pictures, here))
    assert kinds["tiny"].places == ((here[3],), (here[0],))
    assert kinds["tiny"].values == (16.0, 31.0)
    assert kinds["extreme_aspect"].places == ((here[3],), (here[0],), (here[2],))
    assert kinds["extreme_aspect"].values == (300 / 16, 500 / 31, 129 / 32)
    assert not any(finding.remove for finding in kinds.values())
    wider = by_kind(picture_findings(pictures, here, smallest=65))
    assert len(wider["tiny"].places) == 5


def save_all(folder: Path, images: list[Image.Image]) -> list[Picture]:
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return measure([str(folder / f"{number}.png") for number in range(len(images))])


def test_blank_dark_and_bright(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    blank = np.clip(rng.normal(40, 1.5, (64, 64, 3)), 0, 255).astype(np.uint8)
    # Red and green of one luma: it shows something, though not in brightness.
    hues = np.where((np.arange(64) // 16 % 2)[:, None, None], [200, 0, 0], [0, 102, 0])
    drawing = Image.new("RGB", (64, 64), "white")
    drawing.paste((0, 0, 0), (30, 5, 33, 55))
    night = Image.new("RGB", (64, 64), (6, 6, 9))
    night.paste((255, 255, 200), (10, 10, 20, 20))
    images = [
        Image.fromarray(blank),
        Image.fromarray(np.broadcast_to(hues, (64, 64, 3)).astype(np.uint8)),
        drawing,
        night,
        texture(0).point(lambda value: value // 6),
        texture(0).point(lambda value: 225 + value // 9),
        texture(0),
    ]
    found, here = save_all(tmp_path, images), places(len(images))
    kinds = by_kind(picture_findings(found, here))
    assert kinds["blank"].places == ((here[0],),)
    assert kinds["blank"].remove == (here[0],)
    assert kinds["dark"].places == ((here[4],),)
    assert kinds["bright"].places == ((here[5],),)
    assert found[1].contrast < 0.01 < found[1].variation


def test_blur_is_found_where_others_are_sharp(tmp_path: Path) -> None:
    images = [texture(seed, (160, 120)) for seed in range(9)]
    images[3], images[7] = blurred(images[3], 4), blurred(images[7], 3)
    found, here = save_all(tmp_path, images), places(9)
    kinds = by_kind(picture_findings(found, here))
    assert kinds.keys() == {"blurred"}
    assert kinds["blurred"].places == ((here[3],), (here[7],))
    assert kinds["blurred"].remove == ()


def test_drawings_are_not_blurred(tmp_path: Path) -> None:
    images = []
    for number in range(12):
        image = Image.new("L", (64, 64), 255)
        image.paste(0, (5, number + 5, 59, number + 7))
        images.append(image)
    assert picture_findings(save_all(tmp_path, images), places(12)) == []


def test_a_soft_set_is_no_fault(tmp_path: Path) -> None:
    found = save_all(tmp_path, [blurred(texture(seed, (160, 120)), 4) for seed in range(6)])
    assert all(one.sharpness < BLURRED for one in found)
    assert picture_findings(found, places(6)) == []


def test_blur_bound_is_the_robust_rule() -> None:
    values = np.exp(np.random.default_rng(0).normal(-1, 0.3, 101))
    middle = np.median(np.log(values))
    spread = np.median(np.abs(np.log(values) - middle)) / 0.6744898
    expected = np.exp(middle - 3.5 * spread)
    assert expected < BLURRED
    assert blur_bound(values.tolist()) == pytest.approx(expected, rel=1e-3)
    assert blur_bound([]) == 0
    assert blur_bound([0.0, 2.0]) == BLURRED
