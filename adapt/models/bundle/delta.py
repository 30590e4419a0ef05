"""Bundles without encoders: how these differ from pretrained weights that are at hand elsewhere."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from adapt.errors import AdaptError, BundleError, one_line
from adapt.models.bundle.low_rank import LowRank
from adapt.models.bundle.manifest import ADAPTER, COPY, DELTA, ENCODERS, WEIGHTS
from adapt.models.bundle.read import Bundle
from adapt.models.bundle.tensors import weights_hash

WHOLE = "whole/"
"""Before the name of a tensor that is stored as it is."""
State = Mapping[str, Tensor]


def delta_of(bundle: Bundle, before: State) -> Bundle:
    """A bundle that holds the change of the encoders in their place.

    What LoRA added is stored as its thin matrices where they give the weights back bit for bit; any
    other tensor that changed is stored whole.

    Args:
        bundle: With encoders.
        before: The pretrained weights.
    """
    after = bundle.tensors[ENCODERS]
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    adapter = bundle.tensors.get(ADAPTER)
    stored: dict[str, Tensor] = {}
    if adapter is not None:
        again = LowRank.from_tensors(adapter).weights(before)
        if all(torch.equal(value, after[name]) for name, value in again.items()):
            stored, changed = dict(adapter), changed - set(again)
    stored |= {WHOLE + name: after[name] for name in changed}
    kept = {
        name: state for name, state in bundle.tensors.items() if name not in (ENCODERS, ADAPTER)
    }
    manifest = bundle.manifest | {WEIGHTS: weights_hash(after)}
    return replace(bundle, manifest=manifest, tensors=kept | {DELTA: stored})


def restored(bundle: Bundle, folder: str | Path, before: State) -> Bundle:
    """A delta with its encoders again, bit for bit those that it was made of.

    Args:
        bundle: As it was read.
        folder: Where it lies, for messages.
        before: The pretrained weights.

    Raises:
        BundleError: When these do not give the weights that the bundle was made of.
    """
    stored = bundle.tensors[DELTA]
    own = {n.removeprefix(WHOLE): v for n, v in stored.items() if n.startswith(WHOLE)}
    adapter = {name: value for name, value in stored.items() if not name.startswith(WHOLE)}
    try:
        added = LowRank.from_tensors(adapter).weights(before) if adapter else {}
        after = {**before, **added, **own}
    except AdaptError as error:
        raise BundleError(
            f"{folder} - {DELTA} does not fit - {one_line(error)} - {COPY}"
        ) from error
    if weights_hash(after) != bundle.manifest[WEIGHTS]:
        raise BundleError(f"{folder} - restored weights differ - {DELTA} is not whole - {COPY}")
    tensors = {name: state for name, state in bundle.tensors.items() if name != DELTA}
    manifest = {name: value for name, value in bundle.manifest.items() if name != WEIGHTS}
    tensors |= {ENCODERS: after} | ({ADAPTER: adapter} if adapter else {})
    return replace(bundle, manifest=manifest, tensors=tensors)
