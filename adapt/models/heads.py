"""Classification heads on unit features."""

import json
import math
import textwrap
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.common.content import text_hash
from adapt.common.words import plural
from adapt.errors import DataError
from adapt.models.backbones import Backbone, tokenizer_of
from adapt.models.bundle.tensors import weights_hash


def text_weights(
    backbone: Backbone,
    prompts: list[list[str]],
    weights: list[list[float]] | None = None,
    negations: list[list[str]] | None = None,
) -> Tensor:
    """One direction per class: each prompt's unit feature, averaged, made unit again, scaled.

    Prompt ensembling of CLIP (Radford et al. 2021, arXiv:2103.00020). Differentiable with respect
    to the text encoder.

    Args:
        backbone: The CLIP whose text encoder is used.
        prompts: The prompts of each class; classes may have different numbers of them.
        weights: How much each counts in the average; all alike without.
        negations: Prompts that say that a class is absent, whose direction is subtracted: where
            images have several labels, the sigmoid of a logit is CLIP's softmax over the two.

    Returns:
        Weights (K, D); `features @ weights.T` are logits, exp(logit scale) included.
    """
    features = backbone.encode_text([prompt for own in prompts for prompt in own])
    parts = features.split([len(own) for own in prompts])
    if weights is None:
        means = [part.mean(0) for part in parts]
    else:
        means = [part.new_tensor(own) @ part for part, own in zip(parts, weights, strict=True)]
    present = F.normalize(torch.stack(means), dim=-1) * backbone.scale
    return present if negations is None else present - text_weights(backbone, negations)


KeepTensor = Callable[[str, Callable[[], Tensor]], Tensor]


def computed(_: str, compute: Callable[[], Tensor]) -> Tensor:
    """What is kept nowhere is computed."""
    return compute()


def head_name(backbone: Backbone, prompts: list[list[str]]) -> str:
    """A hash of all that `text_weights` depends on, but for the architecture's own code."""
    state = backbone.model.state_dict()
    text = {name: value for name, value in state.items() if not name.startswith("visual.")}
    config = json.dumps([backbone.spec.config, backbone.spec.tokenizer], sort_keys=True)
    return text_hash(json.dumps([weights_hash(text), config, prompts]))


def zero_shot_weights(
    backbone: Backbone,
    class_names: Sequence[str],
    prompts: list[list[str]],
    device: str | torch.device = "cpu",
    keep: KeepTensor = computed,
) -> Tensor:
    """What `text_weights` gives, on the CPU, of classes that the text encoder can tell apart.

    Args:
        backbone: On the CPU, where it is left.
        class_names: The K classes, for messages.
        prompts: The prompts of each class.
        device: Where texts are encoded.
        keep: See `Classifier.from_clip`.

    Raises:
        DataError: See `check_read`.
    """
    check_read(backbone, class_names, prompts)

    def weight() -> Tensor:
        with torch.no_grad():
            made = text_weights(backbone.to(device), prompts).cpu()
        backbone.to("cpu")
        return made

    return keep(head_name(backbone, prompts), weight)


def check_read(backbone: Backbone, class_names: Sequence[str], prompts: list[list[str]]) -> None:
    """Refuse two classes of which the text encoder reads the same.

    It drops case and repeated blanks, and what does not fit into its context: names that differ
    only there would give equal logits.

    Args:
        backbone: Its tokenizer reads the prompts.
        class_names: The K classes, for the message.
        prompts: The prompts of each class.

    Raises:
        DataError: Naming the two classes and the length of the context.
    """
    read = tokenizer_of(backbone.spec)
    seen: dict[tuple[int, ...], int] = {}
    for place, first_tokens in enumerate(read([own[0] for own in prompts]).tolist()):
        other = seen.setdefault(tuple(first_tokens), place)
        if other != place and _tokens(read, prompts[other]) == _tokens(read, prompts[place]):
            given = f"{class_names[other]!r:.200} and {class_names[place]!r:.200}"
            raise DataError(
                f"class_names - two classes are the same to the text encoder - {given}, of which "
                f"it reads {len(first_tokens)} tokens with the prompt - give shorter or other words"
            )


def filling(backbone: Backbone, texts: Sequence[str]) -> list[int]:
    """Positions of the texts that fill the context of the text encoder, so that their end is cut.

    A text that just fits is among them: its tokens are those of a longer one.

    Args:
        backbone: Its tokenizer reads the texts.
        texts: N of them.
    """
    read = tokenizer_of(backbone.spec)
    padding = read([""])[0, -1]
    places: list[int] = (read(list(texts))[:, -1] != padding).nonzero()[:, 0].tolist()
    return places


def cut_captions(backbone: Backbone, captions: Sequence[str]) -> str | None:
    """How many captions the text encoder does not read to their end, and the first; None if none.

    Args:
        backbone: See `filling`.
        captions: N of them.
    """
    cut = filling(backbone, captions)
    if not cut:
        return None
    first = textwrap.shorten(captions[cut[0]], 60, placeholder=" ...")
    return (
        f"{plural(len(cut), 'caption')} {'fills' if len(cut) == 1 else 'fill'} the context of the "
        f"text encoder, which does not read on, such as {first!r}"
    )


def _tokens(read: Callable[[list[str]], Tensor], prompts: list[str]) -> set[tuple[int, ...]]:
    return {tuple(row) for row in read(prompts).tolist()}


def linear_head(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer (K, D) with these weights and, when not given, a zero bias."""
    head = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
    return head


MAXIMUM_LOGIT_SCALE = math.log(100.0)
