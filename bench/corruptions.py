"""How much the synthetic shifts change photographs, beside the reference implementation.

    python bench/corruptions.py ../shared/data/pacs/photo ../shared/data/clothing10_fs \
        docs/benchmarks/corruptions.md

20 photographs from each folder, drawn by a fixed seed: shorter side to 256 pixels, the middle 224
by 224. The change is the mean absolute difference of the bytes. `corruptions_reference.json` holds
what `ImageNet-C/create_c/make_imagenet_c.py` of github.com/hendrycks/robustness (with ImageMagick
6.9 and its own photographs of ice) gave for the same photographs: facts about that code, none of
its lines.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from adapt.data.shifts.shift import SEVERITIES, apply_shift

REFERENCE = Path(__file__).with_name("corruptions_reference.json")
SUFFIXES = (".jpg", ".jpeg", ".png")
DRAWS = {"frost", "snow", "fog", "spatter", "elastic_transform", "motion_blur"}
"""Kinds that differ much from draw to draw: two draws for each photograph."""


def photographs(folders: list[Path], each: int = 20) -> list[np.ndarray]:
    """The middle of some photographs of every folder."""
    random, pictures = np.random.default_rng(0), []
    for folder in folders:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        for number in random.choice(len(paths), each, replace=False):
            image = Image.open(paths[number]).convert("RGB")
            scale = 256 / min(image.size)
            size = (round(image.width * scale), round(image.height * scale))
            image = image.resize(size, Image.Resampling.BILINEAR)
            left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
            pictures.append(np.array(image.crop((left, top, left + 224, top + 224))))
    return pictures


def change(pictures: list[np.ndarray], kind: str, severity: int) -> float:
    """Mean absolute difference over the photographs."""
    draws = 2 if kind in DRAWS else 1
    return float(
        np.mean(
            [
                np.abs(picture.astype(float) - apply_shift(picture, kind, severity, seed)).mean()
                for number, picture in enumerate(pictures)
                for seed in range(number * draws, (number + 1) * draws)
            ]
        )
    )


def table(pictures: list[np.ndarray], kinds: list[str]) -> str:
    """Ours, and in brackets ours divided by the reference's."""
    reference = json.loads(REFERENCE.read_text(encoding="utf-8"))["change"]
    lines = ["| kind | 1 | 2 | 3 | 4 | 5 |", "|---|" + "---:|" * len(SEVERITIES)]
    for kind in kinds or list(reference):
        own = [change(pictures, kind, severity) for severity in SEVERITIES]
        pairs = zip(own, reference[kind], strict=True)
        cells = [f"{value:.1f} ({value / expected:.2f})" for value, expected in pairs]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("out", type=Path)
    parser.add_argument("--kinds", nargs="*", default=[], help="these only; nothing is written")
    arguments = parser.parse_args()
    text = table(photographs(arguments.folders), arguments.kinds)
    if not arguments.kinds:
        head = [
            "# Strength of the synthetic shifts",
            "",
            "Mean absolute change of the bytes of 40 photographs of 224 pixels at severity 1 to 5,",
            "and in brackets its ratio to the reference implementation of ImageNet-C on the same",
            "photographs. Made by `python bench/corruptions.py`, which says how. `rotation`,",
            "`greyscale` and `jpeg` are no kinds of ImageNet-C.",
            "",
        ]
        arguments.out.write_text("\n".join([*head, text, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
