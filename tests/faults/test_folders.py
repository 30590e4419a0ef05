"""Rows of faults about folders of images, as the user of the command line sees them."""

import locale
import os
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from adapt.cli import app as cli

MODEL = ["model.arch=adapt-icons-xs", "model.pretrained=embedded", "method={name: zero_shot}"]


def photos(root: Path, counts: dict[str, int], shade: int = 0) -> Path:
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            colour = (60 * number, 9 * i, 40 + shade)
            Image.new("RGB", (24, 24), colour).save(root / name / f"{i}.png")
    return root


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["adapt", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_f14_an_empty_class_folder_and_a_class_of_one_image(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(here / "photos", {"cat": 8, "dog": 8, "fox": 1})
    assert call(monkeypatch, "plan", "photos", *MODEL) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "images train 14, val 0, test 3" in shown
    assert "1 class with one training image: fox" in shown
    assert "without it a fold could not learn fox" in shown
    assert call(monkeypatch, "plan", "photos", *MODEL, "data.val={from: train}", "~evals") == 0
    assert "fox has one image: it is in train" in " ".join(capsys.readouterr().out.split())
    (here / "photos" / "owl").mkdir()
    assert call(monkeypatch, "plan", "photos", *MODEL) == 3
    assert "owl - class folder without an image - it is empty" in capsys.readouterr().err


def test_f15_one_class_no_image_or_fewer_images_than_a_batch(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(here / "one", {"cat": 8})
    assert call(monkeypatch, "plan", "one", *MODEL) == 3
    assert "fewer than two classes to train on - {'cat': " in capsys.readouterr().err
    (here / "none").mkdir()
    assert call(monkeypatch, "plan", "none", *MODEL) == 3
    assert "no class folders - 0 images and no folder beside them" in capsys.readouterr().err
    photos(here / "few", {"cat": 6, "dog": 6})
    lora = "method={name: lora, rank: 1, optim: {epochs: 1, batch_size: 64}}"
    assert call(monkeypatch, "plan", "few", *MODEL, lora) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "a batch of 64 is larger than the 10 training images and is made smaller" in shown


def test_f16_val_or_test_lacks_or_adds_a_class(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(here / "all" / "train", {"cat": 4, "dog": 4, "fox": 4})
    photos(here / "all" / "val", {"cat": 2, "dog": 2}, 20)
    photos(here / "all" / "test", {"fox": 2, "dog": 2}, 40)
    assert call(monkeypatch, "plan", "all", *MODEL) == 0
    assert "1 class without a val image: fox" in " ".join(capsys.readouterr().out.split())
    for split in ("val", "test"):
        photos(here / "all" / split, {"foxx": 1}, 60)
        assert call(monkeypatch, "plan", "all", *MODEL) == 3
        shown = capsys.readouterr().err
        assert f"all/{split}/foxx/0.png" in shown
        assert "'foxx', did you mean 'fox'?" in shown
        (here / "all" / split / "foxx" / "0.png").unlink()
        (here / "all" / split / "foxx").rmdir()


def test_f42_odd_paths_and_another_clock_and_language(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = here / "a folder with spaces" / "Käfer 写真" / ("long " * 40).strip()
    photos(long / "photos", {"drei Käfer": 5, "猫": 5, "p" * 200: 5})
    longest = max(str(path) for path in long.rglob("*.png"))
    assert len(longest) > 260
    for zone in ("Asia/Kathmandu", "America/St_Johns"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert call(monkeypatch, "plan", long / "photos", *MODEL) == 0
        assert "train 12, val 0, test 3" in " ".join(capsys.readouterr().out.split())
    monkeypatch.delenv("TZ")
    time.tzset()
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in ("de_DE.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
            assert call(monkeypatch, "plan", long / "photos", *MODEL) == 0
    finally:
        locale.setlocale(locale.LC_ALL, before)
    # Files with times from before 1970 or from the future are the same images.
    for path, when in zip(sorted(long.rglob("*.png")), (-1e9, 4e9), strict=False):
        os.utime(path, (when, when))
    assert call(monkeypatch, "plan", long / "photos", *MODEL) == 0
