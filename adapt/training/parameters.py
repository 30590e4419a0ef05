"""Which parameters train, and with which learning rate."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from torch import nn

from adapt.errors import ModelError, did_you_mean
from adapt.models.classifier import Classifier
from adapt.training.settings import Optim

PLACES = re.compile(r"(?:^|\.)(?:(?:resblocks|blocks|layers?|stages)\.|layer)(\d+)(?=\.)")
"""Numbers of the stage and of the block in it, as ViT, ResNet, ConvNeXt and Swin name them."""
BLOCK = re.compile(r"(?:.*\.)?(?:(?:resblocks|blocks|layers)\.\d+|layer\d+)")
MODEL = "backbone.model."
OUTSIDE = (f"{MODEL}logit_scale", f"{MODEL}logit_bias")
ENCODER = re.compile(rf"{re.escape(MODEL)}(?:visual\.(?:trunk\.)?|text\.(?:transformer\.)?)?")

TRAINABLE = ("given", "head", "image", "all")
ENTRANCES = (
    "conv1", "conv2", "conv3", "bn1", "bn2", "bn3", "stem", "patch_embed", "embeddings",
    "class_embedding", "cls_token", "positional_embedding", "pos_embed", "token_embedding",
    "ln_pre", "norm_pre",
)  # fmt: skip
"""What comes before the blocks, in ViTs and ResNets of open_clip, timm and Hugging Face."""


def in_encoder(name: str, encoder: str) -> bool:
    """Whether a parameter of a classifier belongs to the `image` or the `text` encoder, or `both`.

    >>> in_encoder("backbone.model.visual.proj", "image"), in_encoder("head.weight", "both")
    (True, False)
    """
    if not name.startswith(MODEL) or name in OUTSIDE:
        return False
    return encoder == "both" or name.startswith(f"{MODEL}visual.") == (encoder == "image")


def reach_text_head(classifier: Classifier, names: Iterable[str]) -> bool:
    """Whether the head comes from text, and weights of these names are among those it is made of.

    >>> start = Classifier.from_clip("adapt-icons-xs", "random", ["cat", "dog"])
    >>> reach_text_head(start, [f"{MODEL}logit_scale"]), reach_text_head(start, ["head.bias"])
    (True, False)
    """
    return classifier.head_from_text and any(
        name.startswith(MODEL) and not in_encoder(name, "image") for name in names
    )


def trainable_copy(
    start: Classifier, wanted: Callable[[str], bool], train_head: bool = False
) -> Classifier:
    """A copy in which what is wanted requires gradients, and nothing else.

    Args:
        start: Not changed.
        wanted: From the name of a parameter of the backbone to whether it trains.
        train_head: Whether the head trains; then it is a learned one from here on.
    """
    copy = start.clone()
    for name, parameter in copy.named_parameters():
        parameter.requires_grad_(wanted(name))
    copy.head.requires_grad_(train_head)
    copy.head_from_text = start.head_from_text and not train_head
    return copy


def choose_parameters(classifier: Classifier, train: str, bias: bool = False) -> None:
    """Make what is named require gradients, and nothing else.

    A head that follows a text encoder which trains is made anew in every step, so it is no
    parameter; neither is a logit bias, unless the loss sees it.

    Args:
        classifier: Changed in place.
        train: `head`, `image` (image encoder and head), `all` (both encoders and the logit scale)
            or `given` (what requires gradients already).
        bias: Whether the loss sees a logit bias.

    Raises:
        ModelError: When it is none of these, or the head does not come from text but should follow
            the text encoder.
    """
    if train not in TRAINABLE:
        hint = did_you_mean(train, TRAINABLE)
        raise ModelError(f"train - not known - {train!r}{hint} - use {', '.join(TRAINABLE)}")
    if train == "all" and not classifier.head_from_text:
        raise ModelError(
            "train - the text encoder has no part in a learned head - 'all' - use image or head, "
            "or start from Classifier.from_clip"
        )
    if train != "given":
        for name, parameter in classifier.named_parameters():
            wanted = train == "all" or (train == "image" and in_encoder(name, "image"))
            parameter.requires_grad_(wanted or name.startswith("head."))
        classifier.head_from_text = train == "all"
    if classifier.head_from_text and text_trains(classifier):
        classifier.head.requires_grad_(False)
        for name, parameter in classifier.named_parameters():
            if name == f"{MODEL}logit_bias" and not bias:
                parameter.requires_grad_(False)


def text_trains(classifier: Classifier) -> bool:
    """Whether what the text encoder says of a prompt changes in training."""
    return any(
        p.requires_grad
        for name, p in classifier.named_parameters()
        if name.startswith(MODEL) and not in_encoder(name, "image")
    )


def frozen_names(module: nn.Module) -> set[str]:
    """Names of the parameters that do not train, under every name they have."""
    named = module.named_parameters(remove_duplicate=False)
    return {name for name, parameter in named if not parameter.requires_grad}


def blocks_of(encoder: nn.Module) -> list[nn.Module]:
    """The blocks of an image encoder, from the input on; the four stages of a ResNet."""
    blocks = {name: module for name, module in encoder.named_modules() if BLOCK.fullmatch(name)}
    outer = {name for name in blocks for other in blocks if other.startswith(f"{name}.")}
    return [module for name, module in blocks.items() if name not in outer]


def block_numbers(names: Iterable[str]) -> dict[str, int]:
    """Numbers of the blocks of one encoder, from 0 at its input, by the names of what is in them.

    Blocks are counted over all stages; what a stage holds beside its blocks counts to the first.
    The stages of a ResNet are its blocks. Names outside the blocks are left out.

    >>> block_numbers(["conv1.weight", "layer1.0.bn1.bias", "layer2.0.bn1.bias"])
    {'layer1.0.bn1.bias': 0, 'layer2.0.bn1.bias': 1}
    >>> block_numbers(["stages.0.blocks.0.b", "stages.1.downsample.b", "stages.1.blocks.0.b"])
    {'stages.0.blocks.0.b': 0, 'stages.1.downsample.b': 1, 'stages.1.blocks.0.b': 1}
    """
    places = {name: tuple(map(int, PLACES.findall(name))) for name in names}
    places = {name: place for name, place in places.items() if place}
    longest = max(map(len, places.values()), default=0)
    order = sorted({place for place in places.values() if len(place) == longest})
    return {name: bisect_left(order, place) for name, place in places.items()}


def _is_entrance(name: str) -> bool:
    """Whether a parameter outside the blocks comes before them (its encoder's input side)."""
    return ENCODER.sub("", name).split(".")[0] in ENTRANCES


def depths(names: Sequence[str]) -> dict[str, int]:
    """Distance from the input of one encoder: 0 before the blocks, then blocks, then the rest."""
    blocks = block_numbers(names)
    behind = max(blocks.values(), default=-1) + 2

    def outside(name: str) -> int:
        return 0 if _is_entrance(name) else behind

    return {name: blocks[name] + 1 if name in blocks else outside(name) for name in names}


def freeze_first(module: nn.Module, count: int) -> None:
    """Freeze the first `count` blocks of the image encoder, and what comes before them.

    Raises:
        ModelError: When the encoder has fewer blocks.
    """
    if count == 0:
        return
    names = [name for name, _ in module.named_parameters() if ".visual." in f".{name}"]
    distance = depths(names)
    blocks = max(distance.values()) - 1
    if count > blocks:
        raise ModelError(
            f"optim.freeze_first - too many - {count}, the image encoder has {blocks} blocks - "
            "give fewer"
        )
    parameters = dict(module.named_parameters())
    for name in names:
        if distance[name] <= count:
            parameters[name].requires_grad_(False)


def _layers_above(names: list[str]) -> dict[str, int]:
    """Layers between each parameter and the top of its encoder; 0 for what is in no encoder."""
    above = dict.fromkeys(names, 0)
    for encoder in ("image", "text"):
        own = depths([name for name in names if in_encoder(name, encoder)])
        top = max(own.values(), default=0)
        above |= {name: top - depth for name, depth in own.items()}
    return above


def parameter_groups(classifier: nn.Module, optim: Optim) -> list[dict[str, object]]:
    """Trainable parameters by learning rate and weight decay.

    Gains, biases and the logit scale have no weight decay. With `layer_decay` below 1 the rate of
    a parameter is `lr * layer_decay ** (layers between it and the head)`, in either encoder.
    """
    trainable = {name: p for name, p in classifier.named_parameters() if p.requires_grad}
    above = _layers_above(list(trainable))
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in trainable.items():
        layers = 0 if optim.layer_decay == 1 else above[name]
        groups.setdefault((-layers, parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": optim.lr * optim.layer_decay**-key,
            "weight_decay": optim.weight_decay if matrix else 0.0,
        }
        for (key, matrix), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def training_mode(classifier: Classifier) -> None:
    """Training mode (dropout acts), but not every batch norm moves its statistics.

    Frozen ones keep them, and all do where no more than gains and biases of the encoder train.
    """
    classifier.train()
    matrices = any(
        p.requires_grad and p.ndim >= 2 and in_encoder(name, "image")
        for name, p in classifier.named_parameters()
    )
    for module in classifier.modules():
        trains = matrices and any(p.requires_grad for p in module.parameters())
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not trains:
            module.eval()
