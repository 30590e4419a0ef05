"""Every feature-space method on features of a real CLIP: accuracy and seconds by shots.

    python bench/few_shot_features.py ../shared/data/clip_vitb32_features few_shot_features.md

Two kinds of cell. `named`: the classes of Caltech-101 (61 of 100) and Oxford Pets (25 of 37) whose
name has a text among the ImageNet head ("i:") or the LVIS names ("l:"), with those texts as
zero-shot. `whole`: all classes; the sets have no text for them all, so something stands in. With
`--stand-in means` it is the unit class means of the drawn support ("zero-shot" is then the nearest
class mean, and a method that asks the support how far to trust it is told too much); with
`--stand-in common` one direction for all classes, the mean feature, which says nothing.

Shots are drawn from the training rows with a seed for each draw; `all` takes every row (16 or 24 of
a class). A method sees the support only, with its default settings; the test rows are scored once
for each fit.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import adapt.methods
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head

SCALE = 100.0
SETS = ("caltech101", "oxford_pets", "dtd")
BASELINES = ("zero-shot", "LogisticRegression(C=100)")
# Class numbers of the sets follow their folders' names in byte order; these have a text.
NAMED = {
    "caltech101": """1 i:leopard, 2 l:motorcycle, 3 i:accordion, 4 l:airplane, 6 i:ant, 7 i:barrel,
        9 i:beaver, 10 i:binoculars, 15 l:butterfly, 16 l:camera, 17 i:cannon, 20 i:mobile phone,
        21 l:chair, 22 l:chandelier, 23 i:cougar, 25 l:crab_(animal), 26 i:crayfish,
        27 i:Nile crocodile, 29 l:cup, 30 i:Dalmatian, 31 l:dollar, 32 l:dolphin, 33 i:dragonfly,
        34 i:electric guitar, 35 l:elephant, 39 l:ferry, 40 i:flamingo, 45 i:grand piano,
        47 l:headset, 49 l:helicopter, 51 l:Rollerblade, 55 l:lamp, 56 i:laptop computer,
        57 i:llama, 58 i:American lobster, 65 i:chambered nautilus, 66 l:octopus_(animal),
        69 i:giant panda, 70 l:pigeon, 71 i:pizza, 72 i:platypus, 74 i:revolver, 75 l:rhinoceros,
        76 i:rooster, 77 i:saxophone, 78 i:schooner, 79 l:scissors, 80 i:scorpion, 81 l:seahorse,
        83 i:soccer ball, 84 l:stapler_(stapling_machine), 85 i:starfish, 87 l:stop_sign,
        88 i:strawberry, 89 l:sunflower, 90 i:tick, 91 i:trilobite, 92 i:umbrella, 93 l:watch,
        95 l:wheelchair, 98 l:wrench""",
    "oxford_pets": """2 i:American Staffordshire Terrier, 3 i:Basset Hound, 4 i:Beagle, 8 i:Boxer,
        10 i:Chihuahua, 11 i:Egyptian Mau, 12 i:Cocker Spaniel, 13 i:English Setter,
        14 i:German Shorthaired Pointer, 15 i:Great Pyrenees dog, 17 i:Japanese Chin,
        18 i:Keeshond, 19 i:Leonberger, 21 i:Miniature Pinscher, 22 i:Newfoundland dog,
        23 i:Persian cat, 24 i:Pomeranian, 25 i:pug, 28 i:St. Bernard, 29 i:Samoyed,
        30 i:Scottish Terrier, 32 i:Siamese cat, 34 i:Staffordshire Bull Terrier,
        35 i:Soft-coated Wheaten Terrier, 36 i:Yorkshire Terrier""",
}
Part = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Cell:
    """A set to adapt to."""

    name: str
    train: Part
    test: Part
    text: Tensor | None
    """Unit text directions (K, D), where there are any."""
    stand_in: str
    """What takes their place: `means` or `common`."""

    def chosen(self, shots: int, seed: int) -> Tensor:
        """Rows of a draw of so many images of each class; 0 takes all."""
        y = self.train[1]
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
        return torch.cat([order[y[order] == k][: shots or None] for k in range(int(y.max()) + 1)])

    def support(self, shots: int, seed: int) -> Support:
        """The features of such a draw."""
        rows = self.chosen(shots, seed)
        x, y = self.train[0][rows], self.train[1][rows]
        sums = torch.zeros(int(y.max()) + 1, x.shape[1]).index_add(0, y, x)
        if self.stand_in == "common":
            sums = sums.sum(0, keepdim=True).expand_as(sums)
        text = F.normalize(sums, dim=-1) if self.text is None else self.text
        return Support(x[None], y, SCALE * text, seed=seed)


def read(path: Path) -> tuple[Part, Part]:
    """Unit features and class numbers of the training and test rows."""
    data = np.load(path)

    def part(start: str) -> Part:
        x, y = (
            data[next(key for key in data.files if key.startswith(start) and key.endswith(end))]
            for end in ("_x", "_y")
        )
        features = F.normalize(torch.from_numpy(x.astype(np.float32)), dim=-1)
        return features, torch.from_numpy(y.astype(np.int64))

    return part("train"), part("test")


def texts(folder: Path, name: str) -> tuple[Tensor, Tensor]:
    """Numbers of the classes that have a text, and their unit directions."""
    imagenet = np.load(folder / "imagenet1k.npz")["text"]
    lvis = np.load(folder / "text_lvis_v1_clip_a_cname.npy")
    lvis_names = (folder / "text_lvis_names.txt").read_text().splitlines()
    tables = {"i": (list(open_clip.IMAGENET_CLASSNAMES), imagenet), "l": (lvis_names, lvis)}
    numbers, rows = [], []
    for entry in NAMED[name].split(","):
        number, source = entry.split(maxsplit=1)
        names, directions = tables[source[0]]
        numbers.append(int(number))
        rows.append(directions[names.index(source[2:])].astype(np.float32))
    return torch.tensor(numbers), F.normalize(torch.from_numpy(np.stack(rows)), dim=-1)


def only(part: Part, numbers: Tensor) -> Part:
    """The rows of some classes, numbered anew."""
    held = torch.isin(part[1], numbers)
    return part[0][held], torch.searchsorted(numbers, part[1][held])


def cells(folder: Path, stand_in: str) -> Iterator[Cell]:
    """All cells, those with texts first."""
    for name in NAMED:
        train, test = read(folder / f"{name}.npz")
        numbers, directions = texts(folder, name)
        yield Cell(
            f"{name}, named", only(train, numbers), only(test, numbers), directions, stand_in
        )
    for name in SETS:
        yield Cell(f"{name}, whole", *read(folder / f"{name}.npz"), None, stand_in)


def scores(method: str, support: Support, test: Part) -> tuple[float, float]:
    """Test accuracy in per cent, and CPU seconds of the fit."""
    began = time.process_time()
    if method == BASELINES[0]:
        head: torch.nn.Module = linear_head(support.zero_shot)
    elif method == BASELINES[1]:
        model = LogisticRegression(C=100, max_iter=1000)
        model.fit(support.features.numpy(), support.targets.numpy())
        weight, bias = (torch.from_numpy(part) for part in (model.coef_, model.intercept_))
        head = linear_head(weight, bias)
    else:
        head = adapt.methods.get(method)().head(support)
    seconds = time.process_time() - began
    with torch.no_grad():
        right = head(test[0]).argmax(1) == test[1]
    return 100 * float(right.double().mean()), seconds


def row(method: str, chosen: list[Cell], shots: int, seeds: int) -> list[str]:
    """Mean accuracy in each cell, their means, and the longest fit."""
    draws = range(1 if shots == 0 else seeds)
    found = {
        cell.name: [scores(method, cell.support(shots, seed), cell.test) for seed in draws]
        for cell in chosen
    }
    means = {name: float(np.mean([one[0] for one in values])) for name, values in found.items()}
    kinds = [
        float(np.mean([mean for name, mean in means.items() if name.endswith(kind)] or [np.nan]))
        for kind in ("named", "whole")
    ]
    slowest = max(one[1] for values in found.values() for one in values)
    return [method, *(f"{mean:.2f}" for mean in [*means.values(), *kinds]), f"{slowest:.2f}"]


def main() -> None:
    """Score every method on every cell and write a table for each number of shots."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("features", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 16, 0], help="0 is all")
    parser.add_argument("--seeds", type=int, default=1, help="draws of each number of shots")
    parser.add_argument("--stand-in", choices=("means", "common"), default="common")
    known = [name for name, schema in adapt.methods.schemas().items() if hasattr(schema, "head")]
    parser.add_argument("--methods", nargs="+", default=[*BASELINES, *known])
    given = parser.parse_args()
    # One image of each class looks like a regression to scikit-learn.
    warnings.filterwarnings("ignore", "The number of unique classes")
    chosen = list(cells(given.features, given.stand_in))
    header = [
        "method",
        *(cell.name for cell in chosen),
        "mean named",
        "mean whole",
        "slowest, CPU s",
    ]
    lines = ["# Feature-space methods on CLIP ViT-B/32 features, accuracy in %", ""]
    for shots in given.shots:
        lines += [f"## {shots or 'all'} shots, {1 if shots == 0 else given.seeds} draws", ""]
        lines += [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
        for method in given.methods:
            lines.append(f"| {' | '.join(row(method, chosen, shots, given.seeds))} |")
            print(shots, lines[-1], flush=True)
        lines.append("")
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(
            "\n".join(
                [*lines, f"Made by `bench/few_shot_features.py --stand-in {given.stand_in}`.", ""]
            )
        )


if __name__ == "__main__":
    main()
