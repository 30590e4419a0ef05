"""Gaussian discriminant analysis by the authors' code (mrflogs/ICLR24)."""

from functools import cache
from pathlib import Path
from types import ModuleType

from bench.few_shot_features import Part
from bench.peers.problem import Encoder, Problem, batches, quiet
from bench.peers.source import new_numpy, on_cpu, their_code

CLONE = "ICLR24"
PATCHES = (*on_cpu("main_few_shots.py"), new_numpy("utils.py"))
STUBS = ("clip", "clip.simple_tokenizer", "datasets", "datasets.imagenet", "datasets.utils")


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], PATCHES, STUBS) as take:
        return take("main_few_shots")


def _run(clone: Path, problem: Problem, val: Part) -> float:
    main = load(clone)
    main.val_features, main.val_labels = val
    main.test_features, main.test_labels = problem.test
    with quiet():
        loader = batches(problem.draw, 256)
        # Ten views there; the features have one.
        return float(main.run({"augment_epoch": 1}, loader, problem.text.t(), Encoder()))


def by_val(clone: Path, problem: Problem) -> float:
    """As published: alpha is searched on val."""
    return _run(clone, problem, problem.val)


def by_draw(clone: Path, problem: Problem) -> float:
    """Alpha is searched on the draw, which the Gaussians have seen."""
    return _run(clone, problem, problem.draw)
