"""Classification heads on unit features."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.models.backbones import Backbone


def text_weights(backbone: Backbone, prompts: list[list[str]]) -> Tensor:
    """One direction per class: each prompt's unit feature, averaged, made unit again, scaled.

    Prompt ensembling of CLIP (Radford et al. 2021, arXiv:2103.00020). Differentiable with respect
    to the text encoder.

    Args:
        backbone: The CLIP whose text encoder is used.
        prompts: The prompts of each class; classes may have different numbers of them.

    Returns:
        Weights (K, D); `features @ weights.T` are logits, exp(logit scale) included.
    """
    features = backbone.encode_text([prompt for own in prompts for prompt in own])
    means = [part.mean(0) for part in features.split([len(own) for own in prompts])]
    return F.normalize(torch.stack(means), dim=-1) * backbone.scale


def linear_head(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A linear layer (K, D) with these weights and, when not given, a zero bias."""
    head = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)
    return head


MAXIMUM_LOGIT_SCALE = math.log(100.0)
