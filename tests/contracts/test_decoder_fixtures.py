"""Files of every kind come to the stated result wherever images are read."""

import dataclasses
import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import adapt
from adapt.common.content import content_hash
from adapt.data.decoding.colours import LARGEST, read_profile
from adapt.data.decoding.formats import suffix_fits
from adapt.data.decoding.open import Facts, ImageError, inspect_image, open_image
from adapt.data.images import Images
from adapt.data.labels.classes import normal
from adapt.data.splits.quarantine import quarantine
from tests.helpers.colour_profiles import ADOBE, STEPS, rgb_profile
from tests.helpers.image_fixtures import (
    DAMAGED,
    NOT_IMAGE,
    NOT_READ,
    PIXELS,
    Expected,
    build_fixtures,
    encoded,
    fixtures,
    with_orientation,
)
from tests.helpers.tiny import VIT, tiny_classifier

FILES = fixtures()
MOST = 1_000_000
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fixtures")


@pytest.fixture(scope="module")
def expected(root: Path) -> dict[str, Expected]:
    return build_fixtures(root)


def refusal(source: object, **options: int) -> ImageError:
    with pytest.raises(ImageError) as caught:
        open_image(source, **options)  # type: ignore[arg-type]
    return caught.value


def check_pixels(image: Image.Image, wanted: Expected) -> None:
    assert wanted.pixels is not None
    assert (image.mode, image.info) == ("RGB", {})
    found = np.asarray(image)
    assert found.shape == wanted.pixels.shape
    assert np.abs(found.astype(int) - wanted.pixels).max() <= wanted.within


@pytest.mark.parametrize("name", [name for name, (_, one) in FILES.items() if one.listed])
def test_decoder(name: str) -> None:
    data, wanted = FILES[name]
    if wanted.reason:
        error = refusal(data)
        assert (error.path, error.reason) == ("<bytes>", wanted.reason)
        assert str(error).startswith(f"<bytes> - {wanted.reason} - ")
        with pytest.raises(ImageError) as caught:
            inspect_image(data)
        assert str(caught.value) == str(error)
        return
    check_pixels(open_image(data), wanted)
    image, facts = inspect_image(data)
    check_pixels(image, wanted)
    said = dataclasses.asdict(facts)
    assert {key: said[key] for key in wanted.facts} == wanted.facts
    assert facts.size == image.size
    assert pickle.loads(pickle.dumps(facts)) == facts


def test_files_folders_and_predict_agree(root: Path, expected: dict[str, Expected]) -> None:
    images = Images.from_folder(root)
    listed = {str(root / name) for name, one in expected.items() if one.listed}
    assert set(images.paths) == listed
    assert any("junk files or folders skipped" in note for note in images.notes)
    assert any(note.startswith("2 links lead in a circle or nowhere") for note in images.notes)
    readable, refused = quarantine(images, limit=1)
    wanted = {str(root / name): one for name, one in expected.items()}
    assert {one.path: one.reason for one in refused} == {
        path: wanted[path].reason for path in images.paths if wanted[path].reason
    }
    for index, path in enumerate(readable.paths):
        check_pixels(readable.open(index), wanted[path])
    classifier = tiny_classifier()
    exact = [
        np.asarray(open_image(path)) if one.within else one.pixels
        for path, one in wanted.items()
        if not one.reason and one.listed
    ]
    answers = iter(classifier.predict([pixels for pixels in exact if pixels is not None]))
    for path, found in zip(wanted, classifier.predict(list(wanted)), strict=True):
        one = wanted[path]
        if one.reason:
            assert (found.label, found.error) == (None, str(refusal(path)))
            assert f"{path} - {one.reason} - " in str(found.error)
        elif one.listed:
            direct = next(answers)
            assert (found.error, found.top) == (None, direct.top)


def test_check_and_run_agree_too(
    root: Path, expected: dict[str, Expected], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files are refused for the same reasons, and nothing else is."""
    monkeypatch.setenv("ADAPT_CACHE", str(tmp_path / "cache"))
    wanted = {name: one.reason for name, one in expected.items() if one.listed and one.reason}
    found = adapt.check(root, model=None)
    (unreadable,) = [one for one in found.findings if one.kind == "unreadable"]
    assert {normal(place.path) for (place,) in unreadable.places} == {normal(n) for n in wanted}
    copied = root / "odd" / "bitmap_as.jpg"  # the same bytes as one of another class
    left_out = tmp_path / "left_out.txt"
    left_out.write_text(f"{content_hash(copied)}  train/odd/bitmap_as.jpg  copy\n")
    recipe = f"""
version: 1
name: fixtures
model: {{arch: {VIT}, pretrained: random}}
data:
  train: {{kind: folder, root: {root}}}
  val: {{from: train, fraction: 0.2}}
  quarantine_limit: 1
  exclude: {left_out}
method: {{name: zero_shot}}
ensemble: {{kind: none}}
evals: {{}}
report: {{formats: []}}
runtime: {{accelerator: cpu, precision: "32", workers: "0"}}
"""
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    done = adapt.run(tmp_path / "recipe.yaml", [], tmp_path / "run")
    refused = {one["path"]: one["reason"] for one in done.scores["quarantined"]}
    assert refused == {str(root / name): reason for name, reason in wanted.items()}


def test_paths_are_long_and_names_come_in_both_forms(expected: dict[str, Expected]) -> None:
    names = [name for name, one in expected.items() if one.listed]
    assert max(map(len, names)) > 300
    assert {"odd/Caf\u00e9.png", "odd/Cafe\u0301.png"} <= set(names)


def test_notes_say_what_was_done() -> None:
    def notes(name: str) -> list[str]:
        return inspect_image(FILES[name][0])[1].notes()

    assert notes("modes/rgb.bmp") == []
    assert notes("series/series.gif") == ["first of 3 frames"]
    assert notes("oriented/jpeg_6.jpg") == ["turned upright from EXIF orientation 6"]
    assert notes("odd/broken_exif.jpg") == ["broken EXIF ignored"]
    assert notes("profiles/p3.tif") == ["colours converted from Display P3 to sRGB"]
    assert notes("profiles/damaged.png") == ["colour profile ignored: it is damaged"]
    assert notes("modes/i16_clear.png") == [
        "values of I;16 brought to 8 bits",
        "transparent parts shown on the background",
    ]


def test_suffix_against_content() -> None:
    names = {"odd/bitmap_as.jpg": False, "odd/UPPER.PNG": True, "modes/i16.tif": True}
    for name, fits in names.items():
        assert suffix_fits(name, inspect_image(FILES[name][0])[1].format) is fits


def test_what_was_decoded_decodes_to_itself() -> None:
    for name in ("profiles/adobe_alpha.png", "oriented/png_6.png", "modes/i16_clear.png"):
        once = open_image(FILES[name][0])
        np.testing.assert_array_equal(np.asarray(open_image(once)), np.asarray(once))


def test_images_from_memory_keep_orientation_and_profile() -> None:
    for name in ("oriented/png_6.png", "oriented/jpeg_8.jpg", "profiles/adobe.png"):
        data, _ = FILES[name]
        with Image.open(io.BytesIO(data)) as image:
            opened = np.asarray(open_image(image))
        np.testing.assert_array_equal(opened, np.asarray(open_image(data)))


def test_huge_profiles_are_not_read() -> None:
    found = read_profile(bytes(LARGEST + 1), "RGB")
    assert found.problem == f"it has {LARGEST + 1} bytes, more than {LARGEST}"
    named = rgb_profile("<b>\n\x07" + "n" * 99, ADOBE, STEPS**2)
    assert read_profile(named, "RGB").name == ("<b>" + "n" * 99)[:60]


SEEDS = [
    data
    for name, (data, one) in FILES.items()
    if one.listed and 0 < len(data) < 20_000 and "bomb" not in name
]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 19_999), st.integers(0, 255)), max_size=6),
    st.integers(0, 20_000),
    st.binary(max_size=8),
)
@pytest.mark.filterwarnings("ignore")
def test_any_bytes_are_an_image_or_a_reason(
    data: bytes, changes: list[tuple[int, int]], keep: int, tail: bytes
) -> None:
    mutated = bytearray(data)
    for place, value in changes:
        mutated[place % len(mutated)] = value
    source = bytes(mutated[: max(keep, 1)]) + tail
    found = image_or_error(source)
    if isinstance(found, ImageError):
        assert found.reason
        assert str(found) == str(refusal(source, max_pixels=MOST))
        return
    (image, facts), pixels = found, np.asarray(found[0])
    assert (image.mode, pixels.dtype, pixels.shape) == ("RGB", np.uint8, (*image.size[::-1], 3))
    assert facts.size == image.size
    np.testing.assert_array_equal(pixels, np.asarray(open_image(source, max_pixels=MOST)))


def image_or_error(source: bytes) -> tuple[Image.Image, Facts] | ImageError:
    try:
        return inspect_image(source, max_pixels=MOST)
    except ImageError as error:
        return error


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(source: bytes) -> None:
    assert refusal(source).reason in ("empty file", NOT_IMAGE, NOT_READ, DAMAGED)


def photo(width: int, height: int) -> Image.Image:
    """Shapes and soft noise: as much detail as a sharp photo has."""
    random = np.random.default_rng(7)
    low = random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC))
    noise = random.normal(0, 4, smooth.shape)
    return Image.fromarray((smooth + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_draft_is_near_the_exact_pixels(mode: str) -> None:
    data = encoded(photo(640, 480).convert(mode), "JPEG", quality=92)
    exact, draft = open_image(data), open_image(data, at_least=40)
    assert (exact.size, draft.size) == ((640, 480), (160, 120))
    small = [
        np.asarray(image.resize((53, 40), Image.Resampling.BICUBIC)).astype(int)
        for image in (exact, draft)
    ]
    assert np.abs(small[0] - small[1]).mean() <= 1


def test_draft_only_where_it_keeps_enough() -> None:
    picture = photo(640, 480)
    turned = encoded(picture, "JPEG", exif=with_orientation(6))
    assert open_image(turned, at_least=40).size == (120, 160)
    sizes = {20: (80, 60), 21: (160, 120), 41: (320, 240), 80: (320, 240), 81: (640, 480)}
    data = encoded(picture, "JPEG")
    assert {size: open_image(data, at_least=size).size for size in sizes} == sizes
    uneven = encoded(picture.crop((0, 0, 636, 478)), "JPEG")
    assert open_image(uneven, at_least=8).size == (318, 239)
    for kind in ("PNG", "WEBP", "TIFF"):
        assert open_image(encoded(picture, kind), at_least=1).size == (640, 480)
    assert open_image(picture, at_least=1).size == (640, 480)
    whole = encoded(picture, "JPEG")
    assert refusal(whole[: len(whole) // 2], at_least=8).reason == DAMAGED
    assert refusal(data, at_least=8, max_pixels=640 * 480 - 1).reason == "too many pixels"


HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize("start", [HEIC_HEAD, b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix"])
def test_heic_without_its_package(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    error = refusal(start + bytes(40))
    advice = "pip install 'adapt-clip[heic]'"
    assert str(error) == f"<bytes> - needs the `heic` extra - a HEIC photo - {advice}"
    assert error.reason == "needs the `heic` extra"


def test_heic_with_its_package() -> None:
    heif = pytest.importorskip("pillow_heif")
    blocks = PIXELS.repeat(32, 0).repeat(32, 1)
    stream = io.BytesIO()
    exif = with_orientation(6).tobytes()
    heif.from_pillow(Image.fromarray(blocks)).save(stream, quality=-1, chroma=444)
    image, facts = inspect_image(stream.getvalue())
    assert facts.format == "HEIF"
    assert np.abs(np.asarray(image).astype(int) - blocks).max() <= 4
    turned = io.BytesIO()
    picture = Image.fromarray(blocks)
    picture.save(turned, "HEIF", quality=-1, chroma=444, exif=exif)
    upright = np.asarray(open_image(turned.getvalue())).astype(int)
    assert np.abs(upright - np.rot90(blocks, -1)).max() <= 4
    data = stream.getvalue()
    assert refusal(data[: len(data) - 40]).reason == DAMAGED
    assert refusal(HEIC_HEAD + bytes(40)).reason == DAMAGED
    assert refusal(data, max_pixels=100).reason == "too many pixels"


def test_avif_is_read_and_told_from_heic() -> None:
    blocks = PIXELS.repeat(32, 0).repeat(32, 1)
    data = encoded(Image.fromarray(blocks), "AVIF", quality=100, subsampling="4:4:4")
    image, facts = inspect_image(data)
    assert facts.format == "AVIF"
    assert np.abs(np.asarray(image).astype(int) - blocks).max() <= 4
    assert refusal(data[:60]).reason == DAMAGED
