"""Predictions that know the whole set, on features of a real CLIP: what TransCLIP gains and costs.

    python -m bench.transductive FEATURES docs/benchmarks/transductive.md

FEATURES is the folder of `bench.few_shot`. Answers of zero-shot ViT-B/32 on test images of
Caltech-101 and Pets, for the classes with a text; sets of 100 and 300 images and of all, five draws
each, either with classes as frequent as they are or with a mix that is drawn (Dirichlet 0.3).
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import softmax

from adapt.evaluation.unlabelled.transclip import transclip
from bench.few_shot_features import SCALE, only, read, texts

SETS, SIZES, DRAWS = ("caltech101", "oxford_pets"), (100, 300, None), 5


def losses(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Mean negative log-likelihood."""
    own = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(own, 1e-12)).mean())


def drawn(targets: np.ndarray, size: int | None, mixed: bool, seed: int) -> np.ndarray:
    """Rows of a set."""
    generator = np.random.default_rng(seed)
    count = len(targets)
    weights = np.ones(count)
    if mixed:
        mix = generator.dirichlet(np.full(targets.max() + 1, 0.3))
        weights = mix[targets] / np.bincount(targets, minlength=len(mix))[targets]
    order = np.argsort(-np.log(generator.random(count)) / np.maximum(weights, 1e-300))
    return order[: size or (count // 3 if mixed else count)]


def rows(folder: Path) -> list[str]:
    """The lines of the table."""
    lines = []
    for name in SETS:
        numbers, directions = texts(folder, name)
        features, targets = (
            part.numpy() for part in only(read(folder / f"{name}.npz")[1], numbers)
        )
        first = softmax(SCALE * features.astype(np.float64) @ directions.double().numpy().T, axis=1)
        for mixed in (False, True):
            for size in SIZES:
                cells = []
                for seed in range(DRAWS):
                    own = drawn(targets, size, mixed, seed)
                    after = transclip(features[own], first[own])
                    cells.append([
                        100 * np.mean(first[own].argmax(1) == targets[own]),
                        100 * np.mean(after.argmax(1) == targets[own]),
                        losses(first[own], targets[own]), losses(after, targets[own]), len(own),
                    ])  # fmt: skip
                before, gained = (np.array(cells)[:, place] for place in (0, 1))
                means = np.mean(cells, axis=0)
                change = gained - before
                kind = "drawn" if mixed else "as it is"
                cell = [name, kind, f"{means[4]:.0f}", f"{means[0]:.1f}", f"{means[1]:.1f}"]
                cell += [f"{change.mean():+.1f} ({change.min():+.1f} to {change.max():+.1f})"]
                cell += [f"{means[2]:.3f}", f"{means[3]:.3f}"]
                lines.append("| " + " | ".join(cell) + " |")
    return lines


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    head = [
        "# `adapt predict --transductive transclip`, on features of a real CLIP",
        "",
        "Made by `python -m bench.transductive`, which says how. Accuracy in %, mean of "
        f"{DRAWS} draws; in brackets the smallest and the largest change. The last two columns are "
        "the mean negative log-likelihood.",
        "",
        "| set | mix of classes | images | each by itself | TransCLIP | change | nll | after |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *rows(arguments.features),
        "",
        "Where all images are taken as they are, all draws are the same set. TransCLIP gains "
        "only where there are many images of every class (pets: 99 of each), and loses where a "
        "class has a few or none: each class gets a Gaussian, whether it is there or not.",
    ]
    arguments.out.write_text("\n".join(head) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
