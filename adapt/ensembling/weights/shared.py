"""Many models of one start in the memory of one: what differs from it lies in a file."""

from pathlib import Path

import torch

from adapt.models.bundle.tensors import load_tensors, save_tensors
from adapt.models.classifier import Classifier


def share_weights(model: Classifier, start: Classifier, file: Path) -> Classifier:
    """Let a model use the tensors of its start where the two are equal; returns the model.

    The others are written to a file and mapped into memory from there: the system reads them when
    they are looked at, and forgets them when it needs room. Whatever writes to the weights of one
    of the two models would change both.

    Args:
        model: Changed in place: no number of it, only where they are.
        start: What it was made from, on the CPU as `model`.
        file: Written; it may be deleted once the model is no longer used.
    """
    own = dict(model.state_dict(keep_vars=True))
    theirs = start.state_dict()
    changed = {}
    for name, tensor in own.items():
        same = theirs.get(name)
        if same is not None and same.dtype == tensor.dtype and torch.equal(same, tensor):
            tensor.data = same
        else:
            changed[name] = tensor
    if changed:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_tensors(changed, file)
        for name, mapped in load_tensors(file).items():
            changed[name].data = mapped
    return model
