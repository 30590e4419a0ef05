"""The last linear layer of an encoder: from its pooled features to the shared space."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adapt.errors import ModelError


@dataclass(frozen=True)
class Projection:
    """Where the projection of an encoder is, in one form for all kinds of encoders.

    `features = pooled @ matrix + bias`, with pooled features (B, W) and features (B, D).
    """

    parameter: Tensor
    """The encoder's own parameter: (W, D) in open_clip's ViT, (D, W) in a linear layer."""
    is_layer: bool
    """Whether it is the weight of a linear layer, and so stored transposed."""
    bias: Tensor | None
    """Bias (D,), which is not part of the projection matrix."""

    @property
    def live(self) -> Tensor:
        """The matrix (W, D) itself: gradients flow to the parameter."""
        return self.parameter.T if self.is_layer else self.parameter

    @property
    def matrix(self) -> Tensor:
        """A copy of the matrix, (W, D)."""
        return self.live.detach().clone()

    def set(self, matrix: Tensor) -> None:
        """Write a matrix (W, D) into the encoder."""
        with torch.no_grad():
            self.parameter.copy_(matrix.T if self.is_layer else matrix)


def projection_of(encoder: nn.Module) -> Projection:
    """Find the projection: `proj` (ViT), `attnpool.c_proj` (ResNet) or `head.proj` (timm).

    Raises:
        ModelError: When the encoder does not end in a linear projection.
    """
    own = getattr(encoder, "proj", None)
    if isinstance(own, nn.Parameter):
        return Projection(own, False, None)
    layer = _layer(encoder)
    if layer is None:
        raise ModelError(
            "method visual_projection - no linear projection at the end - "
            f"{type(encoder).__name__} - use method linear_probe, or a model with one "
            "(open_clip's ViT or ResNet, a timm encoder with timm_proj linear)"
        )
    return Projection(layer.weight, True, layer.bias)


def text_projection_of(model: nn.Module) -> Projection | None:
    """Find the projection of a text encoder; None where there is no linear one.

    Args:
        model: An open_clip model, whose text encoder is CLIP's own, in a part `text` or not, or one
            of Hugging Face.
    """
    text = getattr(model, "text", model)
    for name in ("text_projection", "proj"):
        own = getattr(text, name, None)
        if isinstance(own, nn.Parameter):
            return Projection(own, False, None)
        if isinstance(own, nn.Linear):
            return Projection(own.weight, True, own.bias)
    return None


def without_projection(encoder: nn.Module) -> nn.Module:
    """A copy of an encoder that ends before its projection: pixels (B, 3, H, W) to pooled (B, W).

    Raises:
        ModelError: See `projection_of`.
    """
    projection_of(encoder)
    cut: Any = copy.deepcopy(encoder).requires_grad_(False).eval()
    if isinstance(getattr(cut, "proj", None), nn.Parameter):
        cut.proj = None
    elif hasattr(cut, "attnpool"):
        # Attention pooling reads the weight of its last layer, so the identity has to be a layer.
        cut.attnpool.c_proj = _identity(cut.attnpool.c_proj.in_features).to(
            cut.attnpool.c_proj.weight.device
        )
    else:
        cut.head.proj = nn.Identity()
    whole: nn.Module = cut
    return whole


def _layer(encoder: Any) -> nn.Linear | None:
    for owner, name in (("attnpool", "c_proj"), ("head", "proj")):
        layer = getattr(getattr(encoder, owner, None), name, None)
        if isinstance(layer, nn.Linear):
            return layer
    return None


def _identity(width: int) -> nn.Linear:
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, width, width).requires_grad_(False)
    layer.weight.copy_(torch.eye(width))
    layer.bias.zero_()
    return layer
