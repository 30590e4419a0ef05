"""Folders of images with and without planted faults."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapt.checks.check import Check

RECIPE = """
name: planted
model: {{arch: adapt-icons-xs, pretrained: embedded}}
data:
  train: {{kind: folder, root: {root}/train}}
  val: {{from: train, fraction: 0.25}}
  quarantine_limit: 0.5
  exclude: {exclude}
method: {{name: zero_shot}}
evals:
  test: {{kind: folder, root: {root}/test}}
"""


REMOVED = ("conflicting_label", "unreadable", "leak", "near_leak", "exact_copy", "near_copy",
           "blank")  # fmt: skip


def scene(seed: int, size: int = 96) -> Image.Image:
    """Soft coloured shapes; no two seeds look alike."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3), np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def draw(path: Path, seed: int, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(seed).save(path, **options)
    return path


def clean(root: Path, train: int = 6, test: int = 3) -> Path:
    """`train` and `test` of two classes without a fault."""
    for place, (split, count) in enumerate((("train", train), ("test", test))):
        for number, label in enumerate(("cat", "dog")):
            for index in range(count):
                seed = 1000 * place + 100 * number + index
                draw(root / split / label / f"{index}.png", seed)
    return root


def planted(root: Path) -> Path:
    """One fault of each kind, each on images of its own."""
    cat, dog, test = (clean(root) / one for one in ("train/cat", "train/dog", "test"))
    (cat / "empty.png").write_bytes(b"")
    whole = draw(cat / "cut.png", 50).read_bytes()
    (cat / "cut.png").write_bytes(whole[: len(whole) // 2])
    scene(51).save(cat / "lies.png", "GIF")
    Image.new("RGB", (96, 96), (200, 190, 180)).save(cat / "blank.png")
    scene(52, 16).save(cat / "tiny.png")
    scene(53).resize((900, 96)).save(cat / "long.png")
    scene(54).point(lambda value: value // 12).save(cat / "dark.png")
    shutil.copy(draw(cat / "same-1.png", 55), cat / "same-2.png")
    shutil.copy(draw(cat / "two.png", 56), dog / "labels.png")
    scene(57).save(cat / "near-1.png")
    scene(57).resize((80, 80), Image.Resampling.LANCZOS).save(cat / "near-2.jpg", quality=85)
    shutil.copy(draw(test / "dog/leaks.png", 58), dog / "leaked.png")
    scene(59).save(test / "dog/near-leaks.png")
    scene(59).save(dog / "near-leaked.jpg", quality=70)
    (root / "train/.DS_Store").write_bytes(b"junk")
    return root


def found_places(found: Check) -> dict[str, set[str]]:
    return {
        one.kind: {f"{place.split}/{place.path}" for group in one.places for place in group}
        for one in found.findings
    }
