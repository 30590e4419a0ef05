"""Near copies planted across train and test: how many are found, how many finds are wrong.

    python bench/planted_copies.py docs/benchmarks/planted_copies.md --pacs ../shared/data/pacs

Altered copies of training images, 5 % of all images, are added to the test images of the embedded
pictograms (all five domains at once) and of three domains of PACS. A find is a
test image that has a near copy in train; it is wrong when it was not planted. Beside it the usual
ways: the best bound on the Hamming distance of 64-bit DCT hashes, and on the cosine of the embedded
model's features, each chosen on the very images that it is scored on.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from adapt import Classifier
from adapt.checks.findings.copies import find_copies
from adapt.checks.findings.copy_findings import copy_findings, leaked_indices
from adapt.checks.findings.finding import Place
from adapt.checks.findings.measure import Picture, measure
from adapt.data.decoding.open import open_image
from adapt.data.sources.embedded import EMBEDDED
from adapt.data.sources.image_list import ImageList
from adapt.data.sources.tables import from_table
from adapt.training.features.encode import image_features
from adapt.training.features.pixels import prepare
from adapt.training.settings import Runtime

SHARE, SEEDS, CONFLICTS = 0.05, 5, 3
Draw = np.random.Generator
Alter = Callable[[Image.Image, Draw, Path], Path]


def _png(image: Image.Image, path: Path) -> Path:
    image.save(path.with_suffix(".png"))
    return path.with_suffix(".png")


def _jpeg(image: Image.Image, draw: Draw, path: Path) -> Path:
    image.save(path.with_suffix(".jpg"), quality=int(draw.integers(30, 91)))
    return path.with_suffix(".jpg")


def _resized(image: Image.Image, draw: Draw) -> Image.Image:
    factor = draw.uniform(0.5, 1.5)
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _cropped(image: Image.Image, draw: Draw) -> Image.Image:
    width, height = (side * draw.uniform(0.03, 0.05) for side in image.size)
    left, top = draw.uniform(0, width), draw.uniform(0, height)
    right, bottom = image.width - width + left, image.height - height + top
    return image.crop((round(left), round(top), round(right), round(bottom)))


def _logo(image: Image.Image, draw: Draw) -> Image.Image:
    image, size = image.copy(), 0.12
    width, height = image.size
    left, top = (float(side * draw.choice([0, 1 - size])) for side in image.size)
    box = (left, top, left + size * width, top + size * height)
    ImageDraw.Draw(image).rectangle(box, fill=tuple(draw.integers(0, 256, 3).tolist()))
    return image


def _framed(image: Image.Image, draw: Draw) -> Image.Image:
    edge = max(1, round(0.03 * min(image.size)))
    shade = int(draw.choice([0, 255]))
    framed = Image.new(
        "RGB", (image.width + 2 * edge, image.height + 2 * edge), (shade, shade, shade)
    )
    framed.paste(image, (edge, edge))
    return framed


ALTERED: dict[str, Alter] = {
    "JPEG, quality 30 to 90": _jpeg,
    "resized to 50 to 150 %": lambda i, d, p: _png(_resized(i, d), p),
    "cropped by 3 to 5 %": lambda i, d, p: _png(_cropped(i, d), p),
    "brightness ±15 %": lambda i, d, p: _png(
        ImageEnhance.Brightness(i).enhance(d.uniform(0.85, 1.15)), p
    ),
    "contrast ±15 %": lambda i, d, p: _png(
        ImageEnhance.Contrast(i).enhance(d.uniform(0.85, 1.15)), p
    ),
    "logo in a corner": lambda i, d, p: _png(_logo(i, d), p),
    "frame of 3 %": lambda i, d, p: _png(_framed(i, d), p),
    "resized, cropped, JPEG": lambda i, d, p: _jpeg(_cropped(_resized(i, d), d), d, p),
}
MIRRORED: dict[str, Alter] = {
    "mirrored": lambda i, d, p: _png(i.transpose(Image.Transpose.FLIP_LEFT_RIGHT), p)
}


def pictograms() -> ImageList:
    """All embedded drawings, as one set with splits."""
    rows = sorted((EMBEDDED / "pictograms").glob("*/*/*/*.png"))
    return ImageList(
        [str(path) for path in rows],
        [path.parts[-2] for path in rows],
        None,
        [path.parts[-3] for path in rows],
        str(EMBEDDED),
        {},
    )


def domain(pacs: Path, name: str) -> ImageList:
    """One domain of PACS; its val images are the test."""
    images = from_table(pacs / "manifest.csv")
    assert images.splits is not None
    images = images.subset(row for row, note in enumerate(images.columns["note"]) if note == name)
    assert images.splits is not None
    return replace(images, splits=["test" if one == "val" else one for one in images.splits])


def embed(images: ImageList) -> np.ndarray:
    """Unit features of the embedded model."""
    backbone = Classifier.from_clip("adapt-icons-xs", "embedded", ["a", "b"]).backbone
    runtime = Runtime()
    return image_features(
        backbone, prepare(images, backbone.preprocessing, runtime), runtime
    ).numpy()


def hash_bits(path: str) -> np.ndarray:
    """The 64-bit DCT hash of an image as 1 and -1, so that a product counts equal bits."""
    grey = cv2.cvtColor(np.asarray(open_image(path)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    low = cv2.dct(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA))[:8, :8].ravel()
    return np.where(low > np.median(low[1:]), 1, -1).astype(np.float32)


def best_bound(likeness: np.ndarray, planted: np.ndarray) -> tuple[int, int, float]:
    """Right and wrong finds at the bound with the best F1, and the bound."""
    order = np.argsort(-likeness, kind="stable")
    right, wrong = planted[order].cumsum(), (~planted[order]).cumsum()
    values = likeness[order]
    score = 2 * right / (right + wrong + planted.sum())
    # Images of one value are found together.
    score[:-1][values[:-1] == values[1:]] = 0
    at = int(score.argmax())
    return int(right[at]), int(wrong[at]), float(values[at])


class Trial:
    """One set of images with copies planted into its test."""

    def __init__(self, images: ImageList, measured: list[Picture]) -> None:
        self.images, self.measured = images, measured
        assert images.splits is not None
        self.splits = images.splits
        self.features = embed(images)
        self.bits = np.stack([hash_bits(path) for path in images.paths])

    def run(self, altered: dict[str, Alter], seed: int, folder: Path) -> dict[str, dict]:
        """Right and wrong finds and planted copies, for each way and each alteration."""
        draw = np.random.default_rng(seed)
        train = [row for row, split in enumerate(self.splits) if split == "train"]
        sources = draw.choice(train, round(SHARE * len(self.images)), replace=False)
        kinds = [list(altered)[one % len(altered)] for one in range(len(sources))]
        paths = [
            str(altered[kind](open_image(self.images.paths[row]), draw, folder / f"{number}"))
            for number, (row, kind) in enumerate(zip(sources, kinds, strict=True))
        ]
        places = [
            Place(split, path, label)
            for split, path, label in zip(
                self.splits, self.images.paths, self.images.labels, strict=True
            )
        ] + [
            Place("test", path, self.images.labels[row])
            for path, row in zip(paths, sources, strict=True)
        ]
        added = replace(
            self.images,
            paths=paths,
            labels=[place.label for place in places[-len(paths) :]],
            splits=None,
            columns={},
        )
        pictures = self.measured + measure(paths)
        features = np.concatenate([self.features, embed(added)])
        bits = np.concatenate([self.bits, np.stack([hash_bits(path) for path in paths])])
        test = np.array([place.split == "test" for place in places])
        planted = np.arange(len(places))[test] >= len(self.images)
        started = time.process_time()
        found = leaked_indices(find_copies(pictures), places)["test"]
        print(f"{time.process_time() - started:.1f} s of processor time to compare")
        found_here = np.isin(np.arange(int(test.sum())), found)
        results = {"adapt check": self._count(found_here, planted, kinds)}
        for way, values in (
            ("64-bit DCT hash, best bound", bits),
            ("cosine, best bound", features),
        ):
            likeness = (values[test] @ values[~test].T).max(1)
            right, wrong, bound = best_bound(likeness, planted)
            results[way] = self._count(likeness >= bound, planted, kinds)
            assert results[way]["right"] == right
            assert results[way]["wrong"] == wrong
        return results

    def _count(self, found: np.ndarray, planted: np.ndarray, kinds: Sequence[str]) -> dict:
        counts: dict = {
            "right": int((found & planted).sum()),
            "wrong": int((found & ~planted).sum()),
            "planted": int(planted.sum()),
        }
        for kind, hit in zip(kinds, found[planted], strict=True):
            seen, of = counts.get(kind, (0, 0))
            counts[kind] = (seen + int(hit), of + 1)
        return counts

    def conflicts(self, seed: int, folder: Path) -> int:
        """How many of three pairs with different labels, copies as JPEG, are found in train."""
        draw = np.random.default_rng(seed)
        train = [row for row, split in enumerate(self.splits) if split == "train"]
        sources = draw.choice(train, CONFLICTS, replace=False)
        paths = [
            str(_jpeg(open_image(self.images.paths[row]), draw, folder / f"conflict{row}"))
            for row in sources
        ]
        places = [Place("train", self.images.paths[row], self.images.labels[row]) for row in train]
        labels = sorted(set(self.images.labels))
        places += [
            Place("train", path, next(one for one in labels if one != self.images.labels[row]))
            for path, row in zip(paths, sources, strict=True)
        ]
        pictures = [self.measured[row] for row in train] + measure(paths)
        found = {
            place.path
            for finding in copy_findings(find_copies(pictures), places)
            if finding.kind == "near_conflicting_label"
            for group in finding.places
            for place in group
        }
        return sum(path in found for path in paths)


def total(results: list[dict[str, dict]]) -> dict[str, dict]:
    """Sums over the seeds."""
    summed: dict[str, dict] = defaultdict(dict)
    for result in results:
        for way, counts in result.items():
            for key, value in counts.items():
                before = summed[way].get(key)
                if isinstance(value, tuple):
                    old = before or (0, 0)
                    summed[way][key] = (old[0] + value[0], old[1] + value[1])
                else:
                    summed[way][key] = (before or 0) + value
    return summed


def lines(name: str, images: ImageList, summed: dict[str, dict]) -> list[str]:
    """The table of one set of images."""
    planted = summed["adapt check"]["planted"]
    rows = [
        f"## {name}",
        "",
        f"{len(images)} images, {planted} planted copies in {SEEDS} draws.",
        "",
        "| | " + " | ".join(summed) + " |",
        "| --- |" + " --- |" * len(summed),
    ]

    def row(title: str, cell: Callable[[dict], str]) -> str:
        return f"| {title} | " + " | ".join(cell(counts) for counts in summed.values()) + " |"

    rows.append(row("recall", lambda c: f"{c['right'] / c['planted']:.3f}"))
    rows.append(row("precision", lambda c: f"{c['right'] / (c['right'] + c['wrong']):.3f}"))
    rows.append(row("wrong finds", lambda c: f"{c['wrong']}"))
    for kind in ALTERED:
        rows.append(row(f"recall: {kind}", lambda c, kind=kind: f"{c[kind][0] / c[kind][1]:.2f}"))
    return [*rows, ""]


def main() -> None:
    """Run and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("output", type=Path)
    parser.add_argument("--pacs", type=Path)
    given = parser.parse_args()
    sets = {"Embedded pictograms": pictograms()}
    if given.pacs:
        sets["Photos of PACS"] = domain(given.pacs, "photo")
        sets["Sketches of PACS"] = domain(given.pacs, "sketch")
        sets["Cartoons of PACS"] = domain(given.pacs, "cartoon")
    text = ["# Planted near copies", "", f"By `bench/{Path(__file__).name}`.", *NOTE, ""]
    for name, images in sets.items():
        trial = Trial(images, measure(images.paths))
        with tempfile.TemporaryDirectory() as folder:
            results = [trial.run(ALTERED, seed, Path(folder)) for seed in range(SEEDS)]
            mirrored = trial.run(MIRRORED, 0, Path(folder))["adapt check"]["mirrored"]
            conflicts = sum(trial.conflicts(seed, Path(folder)) for seed in range(SEEDS))
        text += lines(name, images, total(results))
        text += [
            f"Pairs with different labels, one of them a JPEG copy: {conflicts} of "
            f"{CONFLICTS * SEEDS} found. Mirrored copies, which are not looked for: "
            f"{mirrored[0]} of {mirrored[1]}.",
            "",
        ]
    given.output.write_text("\n".join(text).rstrip() + "\n")
    print(given.output.read_text())


NOTE = [
    "",
    "Altered copies of training images, 5 % of all images, are added to the test images. A find is",
    "a test image that has a near copy in train; it is wrong when it was not planted. The hash and",
    "the cosine get the bound with the best F1 on the very images that they are scored on.",
    "",
    "The bound and the settings of `adapt check` were chosen on these pictograms and photos,",
    "altered by other draws: their precision is not that of unseen images. Sketches showed that a",
    "filter of pairs lost framed copies, and it was taken out. Nothing was chosen on cartoons; but",
    "some of those are copies of each other in PACS itself, which count as wrong finds here.",
]

if __name__ == "__main__":
    main()
