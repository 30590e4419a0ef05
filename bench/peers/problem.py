"""What both sides see: a draw of a few images of each class, val and a test set."""

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from adapt.methods.features.support import Support
from bench.few_shot_features import NAMED, SCALE, Cell, Part, only, read, texts

VAL = 8
LENGTH = 10.0
"""Length of the text features of a CLIP ViT-B/32 before they are made unit, about."""


@dataclass(frozen=True)
class Problem:
    """One draw of one set. All features are unit, float32."""

    name: str
    shots: int
    seed: int
    support: Support
    """The draw, as the methods of `adapt` see it."""
    val: Part
    """Up to eight labelled images of each class more: not seen by the methods of `adapt`."""
    test: Part

    @property
    def draw(self) -> Part:
        """Features and class numbers of the draw: copies, since Tip-Adapter-F trains in place."""
        return self.support.features.clone(), self.support.targets.clone()

    @property
    def text(self) -> Tensor:
        """Unit text directions (K, D)."""
        return self.support.text

    def some_val(self, most: int) -> Part:
        """At most so many validation images of each class."""
        return _first(self.val, most)[0]


def _first(part: Part, most: int, share: float = 1.0) -> tuple[Part, Part]:
    """The first rows of each class, and the others.

    Args:
        part: Features and class numbers.
        most: Rows of a class, at most.
        share: Of the rows of a class, at most.
    """
    chosen = torch.zeros(len(part[1]), dtype=torch.bool)
    for number in part[1].unique():
        rows = (part[1] == number).nonzero()[:, 0]
        chosen[rows[: min(most, int(share * len(rows)))]] = True
    return (part[0][chosen], part[1][chosen]), (part[0][~chosen], part[1][~chosen])


def held_out(part: Part) -> tuple[Part, Part]:
    """Validation and test rows of a test set: eight of a class, but half of it at most.

    Rows are put in an order that a seed draws first; each part keeps that order.
    """
    order = torch.randperm(len(part[1]), generator=torch.Generator().manual_seed(0))
    return _first((part[0][order], part[1][order]), VAL, 0.5)


def problems(features: Path, shots: list[int], draws: int) -> Iterator[Problem]:
    """Every draw of the sets whose classes have a text; draws as in `bench/few_shot.py`.

    Args:
        features: Folder of the features of a real CLIP.
        shots: Numbers of images of a class.
        draws: Number of draws, seeded from 0.
    """
    sets = []
    for name in NAMED:
        train, test = read(features / f"{name}.npz")
        numbers, directions = texts(features, name)
        val, rest = held_out(only(test, numbers))
        sets.append((Cell(name, only(train, numbers), rest, directions, "common"), val))
    for seed, (cell, val), count in itertools.product(range(draws), sets, shots):
        support = cell.support(count, seed)
        yield Problem(cell.name, count, seed, support, val, cell.test)


class Encoder(nn.Module):
    """Stands where their code expects CLIP: images are features already."""

    def __init__(self, scale: float = SCALE) -> None:
        super().__init__()
        self.dtype = torch.float32
        self.register_buffer("logit_scale", torch.tensor(scale).log())
        self.visual = nn.Identity()

    def encode_image(self, images: Tensor) -> Tensor:
        """A copy: their loops divide it in place."""
        return images.clone()


def batches(part: Part, size: int, shuffle: bool = False) -> DataLoader[tuple[Tensor, ...]]:
    """Batches of features and class numbers."""
    return DataLoader(TensorDataset(*part), size, shuffle=shuffle)


@contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep what their code prints."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()):
        yield out


def accuracy(logits: Tensor, targets: Tensor) -> float:
    """In per cent."""
    return 100 * float((logits.argmax(1) == targets).double().mean())
