"""Findings about single images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapt.checks.findings.faults import BLURRED, blur_bound, picture_findings
from adapt.checks.findings.measure import Picture
from tests.helpers.checked_images import GOOD, blurred, by_kind, places, save_all, texture


def test_a_few_unreadable_ones_are_a_warning() -> None:
    pictures = [GOOD] * 199 + [Picture("", "empty file")]
    assert by_kind(picture_findings(pictures, places(200)))["unreadable"].level == "warning"
    mixed = places(150) + places(50, "test")
    assert by_kind(picture_findings(pictures, mixed))["unreadable"].level == "error"


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
