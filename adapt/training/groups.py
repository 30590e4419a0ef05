"""Which parameters train, and with which learning rate."""

import re

from torch import nn

from adapt.errors import ModelError
from adapt.training.settings import Optim

BLOCKS = (
    re.compile(r"(?:resblocks|blocks|layers)\.(\d+)\."),  # ViT of open_clip and timm
    re.compile(r"visual\.layer(\d+)\."),  # ResNet: layer1..layer4
)


def block_number(name: str) -> int | None:
    """The block a parameter belongs to, None outside of the blocks.

    >>> block_number("backbone.model.visual.transformer.resblocks.3.ln_1.weight")
    3
    >>> block_number("backbone.model.visual.layer2.0.conv1.weight")
    2
    """
    for pattern in BLOCKS:
        if found := pattern.search(name):
            return int(found[1])
    return None


def _is_entrance(name: str) -> bool:
    """Whether a parameter of the image tower comes before its blocks (the tower's input side)."""
    entrances = (
        "conv1",
        "conv2",
        "conv3",
        "bn1",
        "bn2",
        "bn3",
        "class_embedding",
        "positional_embedding",
        "ln_pre",
        "patch_embed",
        "cls_token",
        "pos_embed",
        "norm_pre",
        "stem",
    )
    parts = name.replace("backbone.model.visual.", "").replace("trunk.", "").split(".")
    return block_number(name) is None and parts[0] in entrances


def depths(names: list[str]) -> dict[str, int]:
    """Distance from the input: 0 before the blocks, then the blocks, then the rest."""
    blocks = [b for b in map(block_number, names) if b is not None]
    first, last = (min(blocks), max(blocks)) if blocks else (0, 0)

    def depth(name: str) -> int:
        block = block_number(name)
        if block is not None:
            return block - first + 1
        return 0 if _is_entrance(name) else last - first + 2

    return {name: depth(name) for name in names}


def freeze_first(module: nn.Module, count: int) -> None:
    """Stop the first `count` blocks of the image tower, and what comes before them, from training.

    Raises:
        ModelError: When the tower has fewer blocks.
    """
    if count == 0:
        return
    names = [name for name, _ in module.named_parameters() if ".visual." in f".{name}"]
    distance = depths(names)
    blocks = max(distance.values()) - 1
    if count > blocks:
        raise ModelError(
            f"optim.freeze_first - too many - {count}, the image tower has {blocks} blocks - "
            "give fewer"
        )
    parameters = dict(module.named_parameters())
    for name in names:
        if distance[name] <= count:
            parameters[name].requires_grad_(False)


def parameter_groups(module: nn.Module, optim: Optim) -> list[dict[str, object]]:
    """Trainable parameters by learning rate and weight decay.

    Gains, biases and the logit scale have no weight decay. With `layer_decay` below 1 the rate of
    a parameter is `lr * layer_decay ** (layers between it and the head)`.
    """
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    distance = depths(list(trainable))
    top = max(distance.values(), default=0)
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in trainable.items():
        depth = top if optim.layer_decay == 1 else distance[name]
        groups.setdefault((depth, parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": optim.lr * optim.layer_decay ** (top - depth),
            "weight_decay": optim.weight_decay if matrix else 0.0,
        }
        for (depth, matrix), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
