"""The reference models of the embedded benchmark: what robustness is usual without pretraining.

    python bench/reference_models.py adapt/evaluation/robustness/references/pictograms.json

Models of many kinds and strengths are trained on the emoji training images alone, as the standard
models of Taori et al. (2020, arXiv:2007.00644) are on ImageNet alone: linear classifiers and
nearest neighbours on pixels and on gradient histograms, and small convolutional networks, each with
several amounts of training images. None uses pretrained weights or any measure for robustness.
About four minutes on one core.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import nn

from adapt.common.files import write_json
from adapt.data.sources.embedded import from_embedded
from adapt.data.sources.image_list import ImageList
from adapt.data.splits.stored import split_manifest
from adapt.runs.folder.ledger import eval_hashes

NAME, TRAINED_ON = "pictograms", "emoji"
DOMAINS = ("emoji", "outline", "solid", "colour", "silhouette")
FRACTIONS = (0.1, 0.2, 0.4, 0.7, 1.0)
SIZE = 32

Predict = Callable[[np.ndarray], np.ndarray]


def pixels(images: ImageList) -> np.ndarray:
    """Shape (N, 32, 32, 3), from 0 to 1; what is transparent is white."""
    rows = []
    for path in images.paths:
        picture = Image.open(path).convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        paper.alpha_composite(picture)
        rows.append(np.asarray(paper.convert("RGB").resize((SIZE, SIZE)), np.float32) / 255)
    return np.stack(rows)


def flat(images: np.ndarray) -> np.ndarray:
    """Colour pixels as one row per image."""
    return images.reshape(len(images), -1)


def grey(images: np.ndarray) -> np.ndarray:
    """Grey pixels at half the size as one row per image."""
    small = images.mean(axis=3).reshape(len(images), SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4))
    return small.reshape(len(images), -1)


def gradients(images: np.ndarray) -> np.ndarray:
    """Histograms of eight directions in cells of four pixels, weighted by the gradient."""
    down, across = np.gradient(images.mean(axis=3), axis=(1, 2))
    strength = np.hypot(down, across)
    bins = (np.arctan2(down, across) % (2 * np.pi) / (2 * np.pi) * 8).astype(int) % 8
    cells = []
    for direction in range(8):
        own = np.where(bins == direction, strength, 0)
        cells.append(own.reshape(len(images), SIZE // 4, 4, SIZE // 4, 4).sum(axis=(2, 4)))
    rows = np.stack(cells, axis=-1).reshape(len(images), -1)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)


def network(images: np.ndarray, targets: np.ndarray, width: int, epochs: int) -> Predict:
    """A convolutional network of three blocks, from random weights."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, width), (width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(),
                   nn.MaxPool2d(2)]  # fmt: skip
    model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * width, 32))
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(targets)
    steps = epochs * -(-len(x) // 64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(64):
            batch = x[rows]
            shift = torch.randint(-3, 4, (2,), generator=generator).tolist()
            batch = torch.roll(batch, shift, (2, 3))
            if torch.rand(1, generator=generator) < 0.5:
                batch = batch.flip(3)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(batch), y[rows]).backward()
            optimizer.step()
            plan.step()
    model.eval()

    def predict(new: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(new).permute(0, 3, 1, 2)).argmax(1).numpy()

    return predict


def models(images: np.ndarray, targets: np.ndarray) -> Iterator[tuple[str, Predict]]:
    """Every reference model, fitted."""
    order = np.random.default_rng(0).permutation(len(images))
    for fraction in FRACTIONS:
        rows = order[: round(fraction * len(images))]
        few, labels = images[rows], targets[rows]
        for name, features in (("pixels", flat), ("grey", grey), ("gradients", gradients)):
            scaler = StandardScaler().fit(features(few))
            linear = LogisticRegression(C=0.01 if name != "gradients" else 0.1, max_iter=300)
            linear.fit(scaler.transform(features(few)), labels)
            yield (
                f"linear on {name}, {fraction:.0%}",
                lambda new, f=features, s=scaler, m=linear: m.predict(s.transform(f(new))),
            )
            nearest = KNeighborsClassifier(1).fit(features(few), labels)
            yield (
                f"nearest on {name}, {fraction:.0%}",
                lambda new, f=features, m=nearest: m.predict(f(new)),
            )
        for width, epochs in ((8, 15), (24, 30)):
            name = f"network of width {width}, {epochs} epochs, {fraction:.0%}"
            yield name, network(few, labels, width, epochs)


def main() -> None:
    """Measure all models and write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out")
    out = parser.parse_args().out
    train = from_embedded(NAME, TRAINED_ON, "train")
    evals = {domain: from_embedded(NAME, domain, "test") for domain in DOMAINS}
    classes = train.class_names
    tests = {name: (pixels(own), own.targets(classes)) for name, own in evals.items()}
    for name, (_, targets) in tests.items():
        assert len(np.unique(targets)) == len(classes), f"{name} lacks classes"
    measured = []
    for name, predict in models(pixels(train), train.targets(classes)):
        accuracy = {
            domain: round(float((predict(new) == targets).mean()), 4)
            for domain, (new, targets) in tests.items()
        }
        measured.append({"name": name, "accuracy": accuracy})
        print(name, accuracy, flush=True)
    write_json(
        out,
        {
            "format": 1,
            "benchmark": NAME,
            "made_by": "python bench/reference_models.py",
            "trained_on": TRAINED_ON,
            "sets": eval_hashes(split_manifest(evals), evals),
            "models": measured,
        },
    )


if __name__ == "__main__":
    main()
