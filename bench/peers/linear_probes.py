"""Linear probes: CLIP_benchmark (LAION-AI), and scikit-learn as in the read-me of openai/CLIP."""

import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from sklearn.linear_model import LogisticRegression

from bench.peers.problem import Encoder, Problem, quiet
from bench.peers.source import Patch, new_numpy, on_cpu, their_code

CLONE = "CLIP_benchmark"
PROBE = "clip_benchmark/metrics/linear_probe.py"
ACCURACY = "clip_benchmark/metrics/zeroshot_classification.py"
PATCHES = (
    *on_cpu(PROBE),
    new_numpy(ACCURACY),
    Patch(PROBE, "assert device == 'cuda'", "assert device == 'cpu'"),
)


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], PATCHES) as take:
        return take("clip_benchmark.metrics.linear_probe")


def _run(clone: Path, problem: Problem, with_val: bool) -> float:
    """Their evaluation; its files of features are there, so no image is encoded."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        for name in ("train", "val", "test"):
            features, targets = problem.draw if name == "train" else getattr(problem, name)
            (Path(folder) / "model").mkdir(exist_ok=True)
            torch.save(features, f"{folder}/model/features_{name}.pt")
            torch.save(targets, f"{folder}/model/targets_{name}.pt")
        torch.manual_seed(0)
        result = load(clone).evaluate(
            Encoder(),
            **{"train_dataloader": None, "dataloader": None, "fewshot_k": problem.shots},
            **{"batch_size": 64, "num_workers": 0, "lr": 0.1, "epochs": 10, "model_id": "model"},
            **{"seed": 0, "feature_root": folder, "device": "cpu", "amp": False},
            val_dataloader=() if with_val else None,
        )
    return 100 * float(result["lp_acc1"])


def by_val(clone: Path, problem: Problem) -> float:
    """As published: weight decay by val."""
    return _run(clone, problem, with_val=True)


def without_val(clone: Path, problem: Problem) -> float:
    """As published when there is no val: no weight decay."""
    return _run(clone, problem, with_val=False)


def scikit_learn(_: Path, problem: Problem) -> float:
    """C of 0.316, as the read-me of CLIP has it."""
    features, targets = (part.numpy() for part in problem.draw)
    model = LogisticRegression(C=0.316, max_iter=1000).fit(features, targets)
    return 100 * float(model.score(*(part.numpy() for part in problem.test)))
