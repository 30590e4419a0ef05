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
    and with the identity for what goes past it, multiplied from the first block to the last; then
    what the pooling takes of each token: the class token, the mean, or the weights of an attention
    pooling.

    Args:
        classifier: On the CPU; a vision transformer of open_clip or of timm.
        pixels: One normalised image (1, 3, H, W).

    Returns:
        Shape (G, G), not negative.

    Raises:
        ModelError: When the image encoder has no attention over the whole image, or pools by a
            maximum.
    """
    arch, encoder = classifier.backbone.spec.arch, classifier.backbone.image_encoder
    encoder = copy.deepcopy(encoder).eval()
    trunk: Any = getattr(encoder, "trunk", None)
    if hasattr(getattr(encoder, "transformer", None), "resblocks"):
        kept, pooling = _of_open_clip(encoder, pixels)
    elif trunk is not None and all(map(_attends, getattr(trunk, "blocks", [None]))):
        kept, pooling = _of_timm(encoder, trunk, pixels, arch)
    else:
        raise _no_rollout(arch, "its image encoder is not a transformer of open_clip or timm")
    tokens = len(pooling)
    if any(own.shape != (tokens, tokens) for own in kept):
        raise _no_rollout(arch, "its blocks do not attend to the whole image")
    flow = torch.eye(tokens, dtype=torch.float64)
    for attention in kept:
        flow = (attention + torch.eye(tokens, dtype=torch.float64)) / 2 @ flow
    side = math.isqrt(tokens)
    # Class and register tokens come first.
    return (pooling @ flow)[tokens - side * side :].reshape(side, side).numpy()


def _no_rollout(arch: str, reason: str) -> ModelError:
    return ModelError(f"{arch} - no rollout - {reason} - use Grad-CAM alone")


def _of_open_clip(encoder: Any, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
    """The attention (L, L) of each block, and what the pooling takes of each token (L,)."""
    split_attention(encoder)
    kept: list[Tensor] = []
    for module in encoder.modules():
        if isinstance(module, SplitAttention):
            module.register_forward_pre_hook(
                lambda own, given: kept.append(_attention(own, given[0]))
            )
    with torch.no_grad():
        encoder(pixels)
    tokens = kept[0].shape[-1]
    classes = tokens > math.isqrt(tokens) ** 2 and getattr(encoder, "pool_type", "tok") == "tok"
    return kept, _taken(tokens, 0, 1) if classes else _taken(tokens, 0, tokens)


def _taken(tokens: int, first: int, end: int) -> Tensor:
    """The mean of the tokens from `first` to before `end`."""
    taken = torch.zeros(tokens, dtype=torch.float64)
    taken[first:end] = 1 / (end - first)
    return taken


def _attends(block: Any) -> bool:
    """Whether a block of timm lets its weights of attention be seen."""
    attention = getattr(block, "attn", None)
    return hasattr(attention, "fused_attn") and hasattr(attention, "attn_drop")


def _of_timm(encoder: Any, trunk: Any, pixels: Tensor, arch: str) -> tuple[list[Tensor], Tensor]:
    """As `_of_open_clip`; timm's attention passes its weights through a dropout layer."""
    kept: list[Tensor] = []
    pooled: list[Tensor] = []
    counts: list[int] = []
    for block in trunk.blocks:
        block.attn.fused_attn = False
        block.attn.register_forward_pre_hook(lambda _, given: counts.append(given[0].shape[1]))
        block.attn.attn_drop.register_forward_pre_hook(
            lambda _, given: kept.append(given[0].double().mean(1)[0])
        )
    pool = getattr(trunk, "attn_pool", None)
    if pool is not None:
        pool.register_forward_pre_hook(lambda own, given: pooled.append(_latent(own, given[0])))
    with torch.no_grad():
        encoder(pixels)
    if [len(own) for own in kept] != counts:
        raise _no_rollout(arch, "its blocks do not attend to the tokens of the whole image")
    tokens = counts[0]
    inside = getattr(trunk, "pool_include_prefix", False)
    first = 0 if inside else int(getattr(trunk, "num_prefix_tokens", 0))
    if pooled:
        missing = torch.zeros(tokens - len(pooled[0]), dtype=torch.float64)
        return kept, torch.cat([missing, pooled[0]])
    kind = getattr(trunk, "global_pool", "")
    if kind not in ("token", "avg"):
        raise _no_rollout(arch, f"it pools by {kind or 'nothing'}")
    return kept, _taken(tokens, 0, 1) if kind == "token" else _taken(tokens, first, tokens)


def _latent(pool: Any, given: Tensor) -> Tensor:
    """Weights (L,) that timm's attention pooling gives the tokens of one image (1, L, C)."""
    if pool.pos_embed is not None:
        given = given + pool.pos_embed.unsqueeze(0)
    count, (heads, width) = given.shape[1], (pool.num_heads, pool.head_dim)
    q = pool.q(pool.latent).reshape(1, pool.latent_len, heads, width).transpose(1, 2)
    k = pool.kv(given).reshape(1, count, 2, heads, width).permute(2, 0, 3, 1, 4)[0]
    q, k = pool.q_norm(q), pool.k_norm(k)
    weights = torch.softmax(q @ k.transpose(-1, -2) * pool.scale, dim=-1).double().mean(1)[0]
    return weights[0] if pool.pool == "token" else weights.mean(0)


def _attention(module: SplitAttention, given: Tensor) -> Tensor:
    """Mean attention (L, L) of the heads on one image (1, L, C)."""
    q, k = (
        part(given).unflatten(-1, (module.heads, -1)).transpose(1, 2)
        for part in (module.q, module.k)
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), dim=-1)
    return weights.double().mean(1)[0]
