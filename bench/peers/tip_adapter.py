"""Tip-Adapter and Tip-Adapter-F by the code of their authors (gaopengcuhk/Tip-Adapter)."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
import yaml

from bench.peers.problem import Encoder, Problem, batches, quiet
from bench.peers.source import new_numpy, on_cpu, their_code

CLONE = "Tip-Adapter"
PATCHES = (*on_cpu("main.py"), new_numpy("utils.py"))
STUBS = ("clip", "datasets", "datasets.utils")


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], PATCHES, STUBS) as take:
        return take("main")


def _given(clone: Path, problem: Problem, folder: str) -> tuple[dict[str, Any], tuple[Any, ...]]:
    """Their config, and keys, values, val, test and text as their functions take them."""
    text = (clone / "configs" / f"{problem.name}.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text) | {"shots": problem.shots, "cache_dir": folder}
    keys, classes = problem.draw
    values = F.one_hot(classes, len(problem.text)).float()
    return config, (keys.t(), values, *problem.val, *problem.test, problem.text.t())


def _printed(out: str, what: str) -> float:
    return float(re.findall(rf"{what}'s test accuracy: (\d+\.\d+)", out)[-1])


def searched(clone: Path, problem: Problem) -> float:
    """As published: alpha and beta are searched on val."""
    with tempfile.TemporaryDirectory() as folder, quiet() as out:
        config, given = _given(clone, problem, folder)
        load(clone).run_tip_adapter(config, *given)
    return _printed(out.getvalue(), "Tip-Adapter")


def as_configured(clone: Path, problem: Problem) -> float:
    """Alpha and beta of their config: nothing is searched."""
    with _no_search(load(clone)):
        return searched(clone, problem)


@contextmanager
def _no_search(main: ModuleType) -> Iterator[None]:
    """Their search gives what their config begins with."""
    search = main.search_hp
    main.search_hp = lambda config, *_, **__: (config["init_beta"], config["init_alpha"])
    try:
        yield
    finally:
        main.search_hp = search


def _tuned(clone: Path, problem: Problem, seen: str, folder: str) -> torch.Tensor:
    """Train the keys; the epoch is kept by what their code is given as the test set."""
    torch.manual_seed(1)
    config, (keys, values, *val, test, classes, text) = _given(clone, problem, folder)
    looked_at = val if seen == "val" else (test, classes)
    loader = batches(problem.draw, 256, shuffle=True)
    given = (keys, values, *val, *looked_at, text, Encoder(), loader)
    load(clone).run_tip_adapter_F(config, *given)
    return torch.load(Path(folder) / f"best_F_{problem.shots}shots.pt", weights_only=True)


def tuned_by_test(clone: Path, problem: Problem) -> float:
    """As published: the best of twenty epochs by the test set, then alpha and beta by val."""
    with tempfile.TemporaryDirectory() as folder, quiet() as out:
        _tuned(clone, problem, "test", folder)
    return _printed(out.getvalue(), "Tip-Adapter-F")


def tuned_by_val(clone: Path, problem: Problem) -> float:
    """The best of twenty epochs by val; their search and test with the keys of that epoch."""
    with tempfile.TemporaryDirectory() as folder, quiet() as out:
        with _no_search(load(clone)):
            weight = _tuned(clone, problem, "val", folder)
        config, (_, *rest) = _given(clone, problem, folder)
        with torch.no_grad():
            load(clone).run_tip_adapter(config, weight.t(), *rest)
    return _printed(out.getvalue(), "Tip-Adapter")
