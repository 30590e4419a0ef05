"""From a pickle of weights to safetensors: the one door through which a pickle may come in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adapt.common.files import write_whole
from adapt.errors import ModelError, RecipeError, one_line
from adapt.models.bundle.tensors import save_tensors
from adapt.models.weight_files import SAFE, check_finite, plain_names


def convert_weights(source: str | Path, target: str | Path, trust: bool = False) -> Path:
    """Read a pickle of tensors with `weights_only=True` and write them as safetensors.

    Args:
        source: `.pt`, `.pth`, `.bin` or `.ckpt`: a state dict, or a mapping with one under
            `state_dict`.
        target: A `.safetensors` file that does not exist.
        trust: Must be true; it says that you know where the file comes from.

    Raises:
        RecipeError: When `trust` is false, or the target exists or has another ending.
        ModelError: When the file holds anything but tensors; nothing else is run or read.
        WeightsError: When a weight is not a finite number.
    """
    source, target = Path(source), Path(target)
    if not trust:
        raise RecipeError(
            f"{source} - a pickle - reading it can run code - if you know where it comes from, add "
            "--trust"
        )
    if target.suffix != SAFE or target.exists():
        what = "exists" if target.exists() else "another ending"
        raise RecipeError(f"{target} - {what} - {target.name} - give a new file ending in {SAFE}")
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle has errors of every kind
        raise ModelError(
            f"{source} - cannot be converted - {one_line(error)} - get the weights as {SAFE} from "
            "where they come from"
        ) from error
    state = plain_names(_state_of(content, source))
    check_finite(state, str(source))
    return write_whole(target, lambda part: save_tensors(state, part))


def _state_of(content: Any, source: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise ModelError(
            f"{source} - not a state dict - {type(content).__name__} - give a file that maps "
            "names to tensors"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"{source} - not a state dict - {name!r} is a {type(value).__name__} - give a file "
                "that maps names to tensors"
            )
    return {name.removeprefix("module."): value for name, value in content.items()}
