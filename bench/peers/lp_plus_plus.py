"""LP++ and its tuned Tip-Adapter-F by the authors' code (FereshteShakeri/FewShot-CLIP-...)."""

from functools import cache
from pathlib import Path
from types import ModuleType

import torch

from bench.few_shot_features import Part
from bench.peers.problem import Encoder, Problem, batches, quiet
from bench.peers.source import Patch, on_cpu, their_code

CLONE = "FewShot-CLIP-Strong-Baseline"
PATCHES = (
    *on_cpu("methods/linear_probe_p2.py"),
    Patch("methods/utils.py", "torch.float16", "torch.float32"),
)
STUBS = ("clip", "clip.simple_tokenizer")


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], PATCHES, STUBS) as take:
        return take("methods")


def _run(clone: Path, problem: Problem, val: Part) -> float:
    config = {"train_epoch": 300, "shots": problem.shots, "dataset": problem.name, "output_dir": ""}
    torch.manual_seed(1)
    with quiet():
        method = load(clone).LinearProbe_P2(config)
        loaders = [batches(part, 256) for part in (problem.draw, val)]
        _, accuracy = method(*loaders, *problem.test, problem.text.t(), Encoder(), classnames=None)
    return float(accuracy)


def by_val(clone: Path, problem: Problem) -> float:
    """As published: the epoch that is best on val, with as many images of a class as the draw."""
    return _run(clone, problem, problem.some_val(problem.shots))


def by_draw(clone: Path, problem: Problem) -> float:
    """Val is the draw itself: the latest epoch that is best there."""
    return _run(clone, problem, problem.draw)
