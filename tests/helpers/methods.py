"""Methods as the contract tests make them: their own defaults, made small."""

from dataclasses import replace
from typing import Any

import adapt
from adapt.methods import schemas
from adapt.methods.heads.linear_probe import LinearProbe
from adapt.training.settings import Optim

METHODS = list(schemas())
WITH_OPTIM = [name for name in METHODS if hasattr(schemas()[name](), "optim")]


SETTINGS: dict[str, dict[str, Any]] = {
    # The search is tested elsewhere.
    "linear_probe": {"C": 10.0},
    "lp_ft": {"probe": LinearProbe(C=1.0)},
    "prompt_tuning": {"class_specific": True},
    "clip_lora": {"steps_per_shot": 0},
    "two_stage": {"steps_per_shot": 0},
    "contrastive": {"captions": "prompts"},
    "lit": {"captions": "prompts"},
    "auto": {"candidates": ["gda", "nearest_centroid"]},
}


def make(name: str, optim: Optim) -> Any:
    """A method with its own defaults, and this optimiser if it takes one."""
    method = adapt.method(name, **SETTINGS.get(name, {}))
    return replace(method, optim=optim) if hasattr(method, "optim") else method
