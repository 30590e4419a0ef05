"""From which regions information flows to the feature of an image: attention rollout."""

import copy
import math
from typing import Any

import torch
from torch import Tensor

from adapt.common.arrays import FloatArray
from adapt.errors import ModelError
from adapt.models.adapters.attention import SplitAttention, split_attention
from adapt.models.classifier import Classifier


def attention_rollout(classifier: Classifier, pixels: Tensor) -> FloatArray:
    """How much of each region reaches the feature, whatever the answer.

    Abnar and Zuidema 2020 (arXiv:2005.00928): the attention of each block, averaged over its heads
    and with the identity for what goes past it, multiplied from the first block to the last.

    Args:
        classifier: On the CPU; a vision transformer of open_clip.
        pixels: One normalised image (1, 3, H, W).

    Returns:
        Shape (G, G), not negative.

    Raises:
        ModelError: When the image encoder has no such attention.
    """
    encoder: Any = classifier.backbone.image_encoder
    if not hasattr(getattr(encoder, "transformer", None), "resblocks"):
        arch = classifier.backbone.spec.arch
        raise ModelError(
            f"{arch} - no rollout - its image encoder is not a transformer of open_clip - "
            "use Grad-CAM alone"
        )
    encoder = copy.deepcopy(encoder).eval()
    split_attention(encoder)
    kept: list[Tensor] = []
    handles = [
        module.register_forward_pre_hook(lambda own, given: kept.append(_attention(own, given[0])))
        for module in encoder.modules()
        if isinstance(module, SplitAttention)
    ]
    with torch.no_grad():
        encoder(pixels)
    for handle in handles:
        handle.remove()
    flow = torch.eye(kept[0].shape[-1], dtype=torch.float64)
    for attention in kept:
        flow = (attention + torch.eye(len(flow), dtype=torch.float64)) / 2 @ flow
    side = math.isqrt(len(flow))
    first = len(flow) - side * side
    pooled = flow[0] if first and getattr(encoder, "pool_type", "tok") == "tok" else flow.mean(0)
    return pooled[first:].reshape(side, side).numpy()


def _attention(module: SplitAttention, given: Tensor) -> Tensor:
    """Mean attention (L, L) of the heads on one image (1, L, C)."""
    q, k = (
        part(given).unflatten(-1, (module.heads, -1)).transpose(1, 2)
        for part in (module.q, module.k)
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return weights.double().mean(1)[0]
