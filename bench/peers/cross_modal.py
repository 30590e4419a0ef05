"""The cross-modal linear probe by the authors' code (linzhiqiu/cross_modal_adaptation)."""

import tempfile
from argparse import Namespace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from bench.few_shot_features import Part
from bench.peers.problem import Problem, quiet
from bench.peers.source import Patch, on_cpu, their_code

CLONE = "cross_modal_adaptation"
SCHEDULER = "super().__init__(optimizer, last_epoch, verbose)"
PATCHES = (
    *on_cpu("train.py", "engine/model/logit.py"),
    Patch("train.py", 'device="cuda"', 'device="cpu"'),
    Patch("train.py", "torch.set_num_threads(4)", ""),
    Patch("train.py", "torch.load(", "torch.load(weights_only=False, f="),
    Patch("engine/model/head.py", 'device="cuda"', 'device="cpu"'),
    Patch("engine/optimizer/scheduler.py", SCHEDULER, "super().__init__(optimizer, last_epoch)"),
)
STUBS = ("engine.config", "engine.clip", "engine.transforms.default")
FEWER = {"weight_decay": [0.01], "batch_size": [32]}
"""Of their twelve settings two, which differ in the rate: the sweep takes minutes a draw."""
ENCODER = "ViT-B/16"
"""Their name of an encoder whose features have a width of 512, as those of ViT-B/32 have."""


class PartialModel(nn.Module):
    """What is trained of an encoder there when none of its layers are: nothing."""

    def forward(self, features: Tensor, *_: Tensor) -> Tensor:
        """As they are."""
        return features


@cache
def load(clone: Path) -> ModuleType:
    """Their module."""
    with their_code([clone], PATCHES, STUBS) as take:
        return take("train")


def _write(train: ModuleType, args: Namespace, problem: Problem, val: Part) -> None:
    """The files that their `features.py` would have made."""

    def save(path: str, content: Any) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, path)

    def part(own: Part) -> dict[str, Tensor]:
        return {"features": own[0], "labels": own[1]}

    folder, encoder = args.feature_dir, ENCODER
    for kind in ("image", "text"):
        place = getattr(train, f"get_{kind}_encoder_dir")(folder, encoder, 0)
        save(f"{place}/encoder.pth", Namespace(partial_model=PartialModel()))
    numbers = torch.arange(len(problem.text))
    text = part((problem.text, numbers)) | {"eot_indices": torch.zeros_like(numbers)}
    save(train.get_text_features_path("set", folder, encoder, 0, "hand_crafted"), text)
    shown = {"train": part(problem.draw), "val": part(val)}
    given = ("set", args.train_shot, args.seed, folder, encoder, 0, "none")
    save(train.get_image_features_path(*given), shown)
    save(train.get_test_features_path("set", folder, encoder, 0), part(problem.test))


def _run(clone: Path, problem: Problem, val: Part) -> float:
    """Their sweep over the rate; the setting and step that are best on val."""
    train = load(clone)
    with tempfile.TemporaryDirectory() as folder, quiet():
        args = Namespace(
            **{"dataset": "set", "train_shot": problem.shots, "seed": 1, "modality": "cross_modal"},
            **{"clip_encoder": ENCODER, "image_layer_idx": 0, "text_layer_idx": 0},
            **{"text_augmentation": "hand_crafted", "image_augmentation": "none", "image_views": 1},
            **{"classifier_head": "linear", "classifier_init": "zeroshot", "logit": 4.60517},
            **{"hyperparams": "linear", "test_batch_size": 512, "num_workers": 0},
            **{"feature_dir": f"{folder}/features", "result_dir": f"{folder}/results"},
        )
        _write(train, args, problem, val)
        train.HYPER_DICT["linear"] |= FEWER
        train.main(args)
        paths = sorted(Path(args.result_dir).rglob("test_result.pth"))
        results = [torch.load(path, weights_only=False) for path in paths]
    best = max(results, key=lambda result: result["val_acc"])
    return 100 * float(best["test_accs"]["head"])


def by_val(clone: Path, problem: Problem) -> float:
    """Rate and step by val, at most four images of a class."""
    return _run(clone, problem, problem.some_val(min(4, problem.shots)))
