"""Copies are found whatever was done to them, and what only looks alike is not."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance
from scipy import ndimage

from adapt.checks.findings import near_pairs as near
from adapt.checks.findings.copies import Copies, connected, find_copies
from adapt.checks.findings.copy_findings import copy_findings, leaked_indices
from adapt.checks.findings.finding import Finding, Place
from adapt.checks.findings.measure import Picture, measure
from adapt.checks.findings.near_pairs import near_pairs
from adapt.checks.findings.thumbnails import BYTES, Thumbnails, difference, middle, thumbnail


def photo(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """A spectrum like that of photos: power falls with the square of the frequency."""
    noise = np.random.default_rng(seed).normal(size=(size[1], size[0], 3))
    rough = sum(ndimage.gaussian_filter(noise, (s, s, 0)) * s for s in (2, 4, 8, 16))
    low, high = np.quantile(rough, [0.01, 0.99])
    return Image.fromarray(
        np.clip(40 + 175 * (rough - low) / (high - low), 0, 255).astype(np.uint8)
    )


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def logo(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).rectangle((104, 78, 119, 89), fill=(255, 0, 255))
    return image


def framed(image: Image.Image) -> Image.Image:
    larger = Image.new("RGB", (image.width + 6, image.height + 6))
    larger.paste(image, (3, 3))
    return larger


ALTERED = {
    "jpeg": lambda image: jpeg(image, 30),
    "smaller": lambda image: image.resize((60, 45), Image.Resampling.BICUBIC),
    "larger": lambda image: image.resize((180, 135), Image.Resampling.BICUBIC),
    "squashed": lambda image: image.resize((100, 100), Image.Resampling.BICUBIC),
    "cropped": lambda image: image.crop((3, 1, 118, 88)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.85),
    "flatter": lambda image: ImageEnhance.Contrast(image).enhance(0.85),
    "logo": logo,
    "framed": framed,
}


def thumbnails(images: list[Image.Image]) -> Thumbnails:
    rows = [np.frombuffer(thumbnail(np.asarray(image)), np.uint8) for image in images]
    return Thumbnails(np.stack(rows))


def pictures(images: list[Image.Image], folder: Path) -> list[Picture]:
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return measure([str(folder / f"{number}.png") for number in range(len(images))])


@pytest.mark.parametrize("name", ALTERED)
def test_altered_copies_are_near_and_others_are_not(name: str) -> None:
    images = [photo(seed) for seed in range(6)]
    both = thumbnails(images + [ALTERED[name](image) for image in images])
    found, values = near_pairs(both)
    assert found.tolist() == [[one, one + 6] for one in range(6)]
    assert values.max() <= near.NEAR


def test_another_colour_is_another_drawing() -> None:
    red, green = (Image.new("RGB", (64, 64), "white") for _ in range(2))
    red.paste((150, 0, 0), (16, 16, 48, 48))
    green.paste((0, 76, 0), (16, 16, 48, 48))
    assert difference(thumbnails([red, green]), np.array([0]), np.array([1]))[0] > 0.2


def test_a_corner_that_holds_everything_proves_nothing() -> None:
    images = []
    for shape in ((44, 44, 62, 62), (52, 46, 58, 63), (46, 55, 63, 59)):
        image = Image.new("RGB", (64, 64), "white")
        image.paste((0, 0, 0), shape)
        images.append(image)
    assert len(near_pairs(thumbnails(images))[0]) == 0


def test_images_without_contrast_are_copies_of_nothing() -> None:
    images = [Image.new("RGB", (64, 64), shade) for shade in ("white", "white", "#fefefe", "red")]
    assert len(near_pairs(thumbnails(images))[0]) == 0


def test_difference_of_unmoved_pictures_is_what_regression_leaves() -> None:
    rng = np.random.default_rng(0)
    first = ndimage.gaussian_filter(rng.normal(size=(32, 32)), 3)
    second = first + 0.05 * ndimage.gaussian_filter(rng.normal(size=(32, 32)), 3)
    grey = [np.round(128 + 60 * one / np.abs(first).max()) for one in (first, second)]
    values = np.full((2, BYTES), 128, np.uint8)
    values[:, : 32 * 32] = np.stack(grey).reshape(2, -1)
    found = difference(Thumbnails(values), np.array([0]), np.array([1]))[0]
    inner = [one[2:30, 2:30].ravel() for one in grey]
    unmoved = 1 - np.corrcoef(*inner)[0, 1] ** 2
    # Moving and leaving out a corner can only explain more, and here hardly anything.
    assert 0.3 * unmoved < found <= unmoved * 1.001


def test_middle_reads_between_the_pixels() -> None:
    picture = np.random.default_rng(0).random((1, 16, 16)).astype(np.float32)
    at = (np.arange(16) - 7.5) * 0.8 + 7.5
    expected = ndimage.map_coordinates(picture[0], np.meshgrid(at, at, indexing="ij"), order=1)
    np.testing.assert_allclose(middle(picture, 0.8)[0], expected, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_difference_is_symmetric(seed: int) -> None:
    rng = np.random.default_rng(seed)
    both = Thumbnails(rng.integers(0, 256, (6, BYTES), dtype=np.uint8))
    a, b = rng.integers(0, 6, (2, 8))
    there, back = difference(both, a, b), difference(both, b, a)
    np.testing.assert_array_equal(there, back)
    assert ((there >= 0) & (there <= 1)).all()


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 6))
def test_copies_do_not_depend_on_order(random: object, count: int) -> None:
    found = POOL[: 3 * count]
    order = list(range(len(found)))
    random.shuffle(order)  # type: ignore[attr-defined]
    plain, mixed = find_copies(found), find_copies([found[row] for row in order])
    back = {tuple(sorted(order[row] for row in rows)) for rows in mixed.sets()}
    assert back == set(plain.sets())
    names = dict(zip(order, mixed.groups(), strict=True))
    assert [names[row] for row in range(len(found))] == plain.groups()
    rows = [row for one in plain.sets() for row in one]
    assert len(rows) == len(set(rows))
    # Three files each: an image, the same bytes, and the same pixels in another file.
    assert set(plain.sets()) == {(3 * one, 3 * one + 1, 3 * one + 2) for one in range(count)}


def made_pool() -> list[Picture]:
    import tempfile

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(6):
            path = Path(folder, f"{seed}.png")
            photo(seed).save(path)
            photo(seed).save(Path(folder, f"{seed}.bmp"))
            found += [str(path), str(path), str(Path(folder, f"{seed}.bmp"))]
        return measure(found)


POOL = made_pool()


@settings(max_examples=50)
@given(st.integers(0, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11))))
def test_connected_sets_are_those_that_links_reach(
    count: int, links: list[tuple[int, int]]
) -> None:
    nodes = [10 * number for number in range(count)][::-1]
    links = [(10 * (a % count), 10 * (b % count)) for a, b in links] if count else []
    reached = {node: {node} for node in nodes}
    for _ in nodes:
        for a, b in links:
            reached[a] |= reached[b]
            reached[b] |= reached[a]
    expected = []
    for node in nodes:
        members = [other for other in nodes if other in reached[node]]
        if members not in expected:
            expected.append(members)
    assert connected(nodes, links) == expected


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [photo(seed, (40, 40)) for seed in range(12)]
    both = thumbnails(images + [jpeg(image, 60) for image in images])
    whole = near_pairs(both)
    steps: list[int] = []
    monkeypatch.setattr(near, "CELLS", 5 * 24)
    parts = near_pairs(both, steps.append)
    np.testing.assert_array_equal(whole[0], parts[0])
    assert steps == [5, 10, 15, 20, 24]


def test_many_equal_thumbnails_are_one_set(monkeypatch: pytest.MonkeyPatch) -> None:
    one = thumbnails([photo(0)]).values[0]
    values = Thumbnails(np.stack([one] * 8 + [thumbnails([photo(1)]).values[0]]))
    assert len(near_pairs(values)[0]) == 8 * 7 / 2
    monkeypatch.setattr(near, "SAME", 7)
    assert near_pairs(values)[0].tolist() == [[0, other] for other in range(1, 8)]


def test_unreadable_and_single_images() -> None:
    assert find_copies([]).sets() == []
    broken = [Picture("ab", "damaged"), Picture("ab", "damaged"), POOL[0]]
    found = find_copies(broken)
    assert found.content.tolist() == [-1, -1, 0]
    assert len(set(found.groups())) == 3


def kinds(found: list[Finding]) -> dict[str, Finding]:
    assert len({one.kind for one in found}) == len(found)
    return {one.kind: one for one in found}


def copies(content: list[int], pairs: list[tuple[int, int]] | None = None) -> Copies:
    given = np.array(pairs or [], np.int64).reshape(-1, 2)
    return Copies(np.array(content), given, np.full(len(given), 0.01, np.float32))


def place(text: str) -> Place:
    split, label, name = text.split("/")
    return Place(split, f"{label}/{name}", label)


def test_exact_copies_keep_the_first() -> None:
    here = [place(one) for one in ("train/cat/3", "train/cat/1", "val/cat/2", "train/dog/4")]
    found = kinds(copy_findings(copies([0, 0, 0, 1]), here))
    assert found.keys() == {"exact_copy"}
    assert found["exact_copy"].places == ((here[2], here[1], here[0]),)
    assert found["exact_copy"].remove == (here[1], here[0])
    assert found["exact_copy"].details == {"sets": 1, "images": 3, "largest": 3}


def test_copies_inside_an_eval_stay() -> None:
    here = [place("test/cat/1"), place("test/cat/2")]
    [found] = copy_findings(copies([0, 0]), here)
    assert (found.kind, found.remove) == ("exact_copy", ())
    assert copy_findings(copies([0, 0]), [place("test/cat/1"), place("sketch/dog/1")]) == []


def test_conflicts_go_altogether() -> None:
    here = [place(one) for one in ("train/cat/1", "train/dog/1", "train/cat/2", "train/cat/3")]
    found = kinds(copy_findings(copies([0, 0, 1, 2], [(1, 2)]), here))
    assert found.keys() == {"conflicting_label", "near_copy"}
    assert found["conflicting_label"].level == "error"
    assert set(found["conflicting_label"].remove) == set(here[:2])
    assert found["near_copy"].remove == (here[3],)
    near_only = kinds(copy_findings(copies([0, 1], [(0, 1)]), here[:2]))
    assert near_only.keys() == {"near_conflicting_label"}
    assert near_only["near_conflicting_label"].level == "warning"
    assert near_only["near_conflicting_label"].values == pytest.approx([0.01])
    across = kinds(copy_findings(copies([0, 0]), [here[0], place("test/dog/1")]))
    assert across.keys() == {"leak", "conflicting_label"}
    assert across["conflicting_label"].level == "warning"
    assert across["conflicting_label"].remove == (here[0],)


def test_leaks_leave_the_test_alone() -> None:
    texts = ("train/cat/1", "test/cat/1", "val/cat/2", "test/cat/2", "sketch/cat/2", "test/cat/3")
    here = [place(text) for text in texts]
    both = copies([0, 0, 1, 2, 2, 3], [(1, 2)])
    found = kinds(copy_findings(both, here))
    assert found.keys() == {"leak", "near_leak"}
    assert found["leak"].places == ((here[0], here[1]),)
    assert found["leak"].remove == (here[0],)
    assert found["leak"].details["by_eval"] == {"test": 1}
    assert found["near_leak"].remove == (here[2],)
    assert found["near_leak"].details["by_eval"] == {"sketch": 1, "test": 1}
    assert found["near_leak"].message == (
        "1 of 1 image of sketch and 1 of 3 images of test are also in train or val, nearly the same"
    )
    assert leaked_indices(both, here) == {"test": [0, 1], "sketch": [0]}
    assert leaked_indices(both, here, near=False) == {"test": [0], "sketch": []}


def test_a_chain_is_said_and_only_direct_copies_go() -> None:
    length = 25
    here = [place(f"train/cat/{number:02}") for number in range(length)]
    chain = copies(list(range(length)), [(one, one + 1) for one in range(length - 1)])
    [found] = copy_findings(chain, here)
    assert "the largest set is a chain of 25 images" in found.message
    assert found.remove == tuple(here[1::2])
    # A leak is a direct copy, not a copy of a copy.
    leaky = [Place("test", one.path, one.label) for one in here[:1]] + here[1:]
    assert kinds(copy_findings(chain, leaky))["near_leak"].remove == (here[1],)
    assert leaked_indices(chain, [*here[:5], place("test/cat/99"), *here[6:]]) == {"test": [0]}


STANDING = st.tuples(st.sampled_from(["train", "val", "test", "other"]), st.sampled_from("ab"))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), STANDING), min_size=1, max_size=10),
    st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4),
)
def test_findings_against_a_direct_computation(
    images: list[tuple[int, tuple[str, str]]], near_contents: set[tuple[int, int]]
) -> None:
    contents = sorted({content for content, _ in images})
    number = {content: at for at, content in enumerate(contents)}
    pairs = sorted(
        {(number[a], number[b]) for a, b in near_contents if a < b and a in number and b in number}
    )
    content = [number[one] for one, _ in images]
    here = [Place(split, str(row), label) for row, (_, (split, label)) in enumerate(images)]
    found = kinds(copy_findings(copies(content, pairs), here))
    expected: dict[str, set[Place]] = {}
    for a, one in enumerate(here):
        for b, other in enumerate(here):
            exact = content[a] == content[b]
            linked = exact or (content[a], content[b]) in pairs or (content[b], content[a]) in pairs
            if a == b or not linked:
                continue
            sides = [
                "fit" if place.split in ("train", "val") else place.split for place in (one, other)
            ]
            names = []
            if "fit" in sides and sides[0] != sides[1]:
                names.append("leak" if exact else "near_leak")
            if one.label != other.label and ("fit" in sides or sides[0] == sides[1]):
                names.append("conflicting_label" if exact else "near_conflicting_label")
            if one.label == other.label and sides[0] == sides[1]:
                names.append("exact_copy" if exact else "near_copy")
            for name in names:
                expected.setdefault(name, set()).add(one)
    listed = {name: Counter(p for s in one.places for p in s) for name, one in found.items()}
    assert listed == {name: Counter(places) for name, places in expected.items()}
    gone = {place for name in ("exact_copy", "near_copy") if name in found
            for place in found[name].remove}  # fmt: skip
    fitted = {place for place in here if place.split in ("train", "val")}
    assert gone <= fitted
    # Of copies in train and val, each that goes leaves one behind that it is a direct copy of.
    for row, one in enumerate(here):
        if one in gone:
            assert any(
                other in fitted - gone
                and other.label == one.label
                and (
                    content[row] == content[at]
                    or (min(content[row], content[at]), max(content[row], content[at])) in pairs
                )
                for at, other in enumerate(here)
            )
    leaks = leaked_indices(copies(content, pairs), here)
    told = {
        name: {one for kind in ("leak", "near_leak") if kind in found
               for group in found[kind].places for one in group if one.split == name}
        for name in leaks
    }  # fmt: skip
    for name, rows in leaks.items():
        own = [one for one in here if one.split == name]
        assert {own[row] for row in rows} == told[name]
