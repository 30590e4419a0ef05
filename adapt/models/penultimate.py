"""What an image encoder has before it projects into the space of the texts.

Linear probes of CLIP were fitted there (arXiv:2103.00020, section 3.2).
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from adapt.errors import ModelError

PROJECTED, PENULTIMATE = "projected", "penultimate"
FEATURES = (PROJECTED, PENULTIMATE)


def check_projection(encoder: nn.Module, arch: str) -> None:
    """Check that an image encoder ends with a projection that can be left out.

    Args:
        encoder: The `visual` of an open_clip model.
        arch: Its name, for the message.

    Raises:
        ModelError: When it has none that is known.
    """
    if _place(encoder) is None:
        raise ModelError(
            f"features - no projection is known in this image encoder - {arch} - use projected"
        )


def before_projection(encoder: nn.Module, pixels: Tensor) -> Tensor:
    """Features (B, W) of pixels, without the projection behind them.

    Args:
        encoder: The `visual` of an open_clip model: a ViT, a ResNet or one of timm.
        pixels: Normalised, shape (B, 3, H, W).
    """
    features = without_projection(encoder)(pixels)
    first: Tensor = features[0] if isinstance(features, tuple) else features
    return first


def width_before_projection(encoder: nn.Module) -> int:
    """Length of these features."""
    place = _place(encoder)
    assert place is not None  # `check_projection` has been asked
    holder, name = place
    projection = getattr(holder, name)
    if isinstance(projection, nn.Parameter):
        return int(projection.shape[0])
    layers = (projection, *projection.modules())
    return next(int(layer.in_features) for layer in layers if isinstance(layer, nn.Linear))


def _place(encoder: nn.Module) -> tuple[nn.Module, str] | None:
    """The module that holds the projection, and its name there."""
    if isinstance(getattr(encoder, "proj", None), nn.Parameter):
        return encoder, "proj"
    if isinstance(getattr(getattr(encoder, "attnpool", None), "c_proj", None), nn.Linear):
        return encoder.attnpool, "c_proj"  # type: ignore[return-value]
    head: Any = getattr(encoder, "head", None)
    if hasattr(encoder, "trunk") and isinstance(head, nn.Module):
        for name in ("proj", "mlp"):
            if hasattr(head, name):
                return head, name
    return None


def without_projection(encoder: nn.Module) -> nn.Module:
    """A view of the encoder that shares its weights and has no projection; itself unchanged."""
    place = _place(encoder)
    assert place is not None
    holder, name = place
    view = copy.copy(encoder)
    view._modules, view._parameters = dict(encoder._modules), dict(encoder._parameters)
    inner = view
    if holder is not encoder:
        inner = copy.copy(holder)
        inner._modules, inner._parameters = dict(holder._modules), dict(holder._parameters)
        view._modules["attnpool" if name == "c_proj" else "head"] = inner
    if name == "c_proj":  # a function reads its weight and bias
        projection: Any = holder.c_proj
        width, weight = projection.in_features, projection.weight
        unchanged = nn.Linear(width, width, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            unchanged.weight.copy_(torch.eye(width))
            unchanged.bias.zero_()
        inner._modules[name] = unchanged
    elif name == "proj" and holder is encoder:
        inner._parameters[name] = None
    else:
        inner._modules[name] = nn.Identity()
    return view
