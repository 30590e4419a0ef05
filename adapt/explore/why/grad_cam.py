"""Which regions of an image speak for the answer and against its rival: Grad-CAM."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from adapt.common.arrays import FloatArray
from adapt.errors import ModelError
from adapt.models.classifier import Classifier

Margin = Callable[[Tensor], Tensor]
"""From logits (B, K) to one number per image (B,)."""


def grad_cam(classifier: Classifier, pixels: Tensor, margin: Margin) -> FloatArray:
    """Regions that raise a number of the logits, at the last layer that still has regions.

    Selvaraju et al. 2017 (arXiv:1610.02391): the activations of that layer, each channel times the
    mean of its gradient, summed; what is below zero is cut. In a transformer the layer is what
    enters its last block, without the class token.

    Args:
        classifier: On the CPU.
        pixels: One normalised image (1, 3, H, W).
        margin: What is explained, such as the logit of the answer minus that of the rival.

    Returns:
        Shape (G, G), not negative.

    Raises:
        ModelError: When the image encoder has no layer with regions.
    """
    kept: list[Tensor] = []

    def keep(activation: Tensor) -> Tensor:
        kept.append(activation.detach().requires_grad_())
        return kept[-1]

    encoder: Any = classifier.backbone.image_encoder
    blocks = _blocks(encoder)
    if blocks is None:
        layer = _last_map(classifier, pixels)
        handle = layer.register_forward_hook(lambda _, __, given: keep(given))
    else:
        handle = blocks[-1].register_forward_pre_hook(lambda _, given: (keep(given[0]), *given[1:]))
    try:
        with torch.enable_grad():
            value = margin(classifier.eval()(pixels)).sum()
            (gradient,) = torch.autograd.grad(value, kept[-1])
    finally:
        handle.remove()
    turned = blocks is not None and not getattr(
        getattr(encoder, "transformer", None), "batch_first", True
    )
    activation = _regions(kept[-1].detach(), blocks is not None, turned)
    slope = _regions(gradient, blocks is not None, turned)
    weighted = (activation * slope.mean((1, 2), keepdim=True)).sum(-1)[0]
    return weighted.clamp(min=0).double().numpy()


def _blocks(encoder: Any) -> Any:
    """The blocks of a transformer: open_clip's own, or timm's; None for others."""
    own = getattr(getattr(encoder, "transformer", None), "resblocks", None)
    blocks = getattr(getattr(encoder, "trunk", None), "blocks", None) if own is None else own
    return blocks if isinstance(blocks, (nn.ModuleList, nn.Sequential)) and len(blocks) else None


def _last_map(classifier: Classifier, pixels: Tensor) -> nn.Module:
    """The layer that gives the last activations with several regions."""
    last: list[nn.Module] = []

    def watch(layer: nn.Module, _: Any, given: Any) -> None:
        if isinstance(given, Tensor) and given.ndim == 4 and _is_map(given):
            last.append(layer)

    layers = [
        layer for layer in classifier.backbone.image_encoder.modules() if not list(layer.children())
    ]
    handles = [layer.register_forward_hook(watch) for layer in layers]
    try:
        with torch.no_grad():
            classifier.eval()(pixels)
    finally:
        for handle in handles:
            handle.remove()
    if not last:
        arch = classifier.backbone.spec.arch
        raise ModelError(f"{arch} - no regions - none of its layers has any - leave out --where")
    return last[-1]


def _is_map(given: Tensor) -> bool:
    """Whether the last two axes, or the two before the last, are a square of regions."""
    _, first, second, third = given.shape
    return second == third > 1 or first == second > 1


def _regions(given: Tensor, tokens: bool, turned: bool) -> Tensor:
    """Activations as (B, G, G, C)."""
    if not tokens:
        return given.movedim(1, -1) if given.shape[2] == given.shape[3] else given
    given = given.transpose(0, 1) if turned else given
    side = math.isqrt(given.shape[1])
    # Class and register tokens come first.
    regions: Tensor = given[:, given.shape[1] - side * side :].unflatten(1, (side, side))
    return regions
