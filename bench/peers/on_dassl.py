"""CLAP (jusiro/CLAP) and TaskRes (geekyutao/TaskRes): trainers of KaiyangZhou/Dassl.pytorch."""

import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.peers.problem import LENGTH, Encoder, Problem, accuracy, quiet
from bench.peers.source import Patch, on_cpu, their_code

CLAP, TASKRES, DASSL = "CLAP", "TaskRes", "Dassl.pytorch"
SCHEDULER = "super().__init__(optimizer, last_epoch, verbose)"
PATCHES = (
    *on_cpu("trainers/adapters.py"),
    Patch("dassl/optim/lr_scheduler.py", SCHEDULER, "super().__init__(optimizer, last_epoch)"),
    Patch(
        "dassl/engine/__init__.py", "from .da import *\nfrom .dg import *\nfrom .ssl import *", ""
    ),
)
STUBS = (
    *("clip", "clip.simple_tokenizer", "datasets", "datasets.imagenet_templates"),
    *("trainers.imagenet_templates", "torch.utils.tensorboard", "gdown", "tabulate"),
    *("dassl.data", "dassl.modeling", "dassl.evaluation"),
)


MODULES = {CLAP: "trainers.adapters", TASKRES: "trainers.taskres"}


@cache
def load(clone: Path) -> ModuleType:
    """Their module; Dassl lies beside the clone."""
    with their_code([clone, clone.parent / DASSL], PATCHES, STUBS) as take:
        return take(MODULES[clone.name])


def _loader(part: tuple[Tensor, Tensor], size: int, shuffle: bool) -> Any:
    rows = [{"img": x, "label": y} for x, y in zip(*part, strict=True)]
    return torch.utils.data.DataLoader(rows, size, shuffle=shuffle)


def _config(folder: str, optim: dict[str, Any], trainer: dict[str, Any]) -> SimpleNamespace:
    """What the trainers read, with the values of their configs and Dassl's defaults."""
    defaults = {
        **{"ADAM_BETA1": 0.9, "ADAM_BETA2": 0.999, "MOMENTUM": 0.9, "SGD_DAMPNING": 0},
        **{"SGD_NESTEROV": False, "STAGED_LR": False, "NEW_LAYERS": (), "BASE_LR_MULT": 0.1},
        **{"RMSPROP_ALPHA": 0.99, "LR_SCHEDULER": "cosine", "STEPSIZE": (-1,), "GAMMA": 0.1},
        **{"WARMUP_EPOCH": 1, "WARMUP_TYPE": "constant", "WARMUP_CONS_LR": 1e-5},
        **{"WARMUP_MIN_LR": 1e-5, "WARMUP_RECOUNT": True, "WEIGHT_DECAY": 5e-4},
    }
    return SimpleNamespace(
        USE_CUDA=False,
        OUTPUT_DIR=folder,
        RESUME="",
        OPTIM=SimpleNamespace(**defaults | optim),
        MODEL=SimpleNamespace(INIT_WEIGHTS="", BACKBONE=SimpleNamespace(NAME="features")),
        TEST=SimpleNamespace(NO_TEST=True, FINAL_MODEL="last_step"),
        TRAIN=SimpleNamespace(PRINT_FREQ=1_000_000, CHECKPOINT_FREQ=0),
        TRAINER=SimpleNamespace(**trainer),
        DATASET=SimpleNamespace(NAME="features"),
    )


def _trained(module: ModuleType, name: str, problem: Problem, config: SimpleNamespace) -> Any:
    """Their trainer after `train`, with the features in place of data and encoder."""
    module.load_clip_to_cpu = lambda _: Encoder()
    module.TextEncoder = lambda _: None

    class Trainer(getattr(module, name)):  # type: ignore[misc]
        def build_data_loader(self) -> None:
            self.train_loader_x = _loader(problem.draw, 256, shuffle=True)
            self.train_loader_u, self.val_loader = None, None
            self.test_loader = _loader(problem.test, 500, shuffle=False)
            self.dm = SimpleNamespace(dataset=SimpleNamespace(classnames=None))
            self.lab2cname: dict[int, str] = {}

    torch.manual_seed(1)
    np.random.seed(1)
    trainer = Trainer(config)
    trainer.train()
    return trainer


def clap(clone: Path, problem: Problem) -> float:
    """As published: a probe from the text with the class-adaptive constraint, last epoch."""
    module = load(clone)
    text = LENGTH * problem.text
    module._get_base_text_features = lambda *_: (text, text[:, None])
    optim = {"NAME": "sgd", "LR": 0.1, "MAX_EPOCH": 300, "WEIGHT_DECAY": 0.0}
    own = {"INIT": "ZS", "CONSTRAINT": "l2", "ENHANCED_BASE": "none", "PREC": "fp32"}
    with tempfile.TemporaryDirectory() as folder, quiet():
        config = _config(folder, optim, {"ADAPTER": SimpleNamespace(**own)})
        trainer = _trained(module, "ADAPTER", problem, config)
        with torch.no_grad():
            return accuracy(trainer.model.forward_features(problem.test[0]), problem.test[1])


def taskres(clone: Path, problem: Problem) -> float:
    """As published: scale 0.5, 100 epochs for four shots or fewer, else 200, last epoch."""
    module = load(clone)
    module._get_base_text_features = lambda *_: LENGTH * problem.text
    epochs = 100 if problem.shots <= 4 else 200
    optim = {"NAME": "adam", "LR": 2e-3, "MAX_EPOCH": epochs}
    own = {"RESIDUAL_SCALE": 0.5, "ENHANCED_BASE": "none", "PREC": "fp32"}
    with tempfile.TemporaryDirectory() as folder, quiet():
        config = _config(folder, optim, {"TaskRes": SimpleNamespace(**own)})
        trainer = _trained(module, "TaskRes", problem, config)
        trainer.set_model_mode("eval")
        with torch.no_grad():
            return accuracy(trainer.model(problem.test[0]), problem.test[1])
