"""Attention with separate query, key, value and output layers, and the way back.

open_clip packs query, key and value into one matrix (`nn.MultiheadAttention`, in newer versions its
own `Attention`; timm has a fused `qkv` layer). Adapters need them separate.
`split_attention` replaces
each block by an equal one with four `nn.Linear`, and says which rows of which original parameter
every new layer came from, so that changes can be added back to a plain state dict.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.errors import ModelError

PARTS = ("q", "k", "v")


@dataclass(frozen=True)
class Origin:
    """Rows of a parameter of the original model that a linear layer's weight came from."""

    name: str
    start: int
    stop: int


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(bias)
    return layer


class SplitAttention(nn.Module):
    """Multi-head attention as four linear layers around scaled dot-product attention.

    Takes the place of `nn.MultiheadAttention` (batch first) and returns a pair like it.
    """

    def __init__(self, packed: Any, heads: int, pair: bool) -> None:
        super().__init__()
        self.heads, self.pair = heads, pair
        self.batch_first = True
        weights = packed.in_proj_weight.detach().chunk(3)
        biases = (
            packed.in_proj_bias.detach().chunk(3)
            if packed.in_proj_bias is not None
            else (None,) * 3
        )
        self.q, self.k, self.v = (_linear(w, b) for w, b in zip(weights, biases, strict=True))
        out = packed.out_proj
        self.o = _linear(out.weight.detach(), None if out.bias is None else out.bias.detach())

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None] | Tensor:
        """Attention output (B, L, C), in a pair with None where the original gave a pair."""
        key = query if key is None else key
        value = key if value is None else value
        q, k, v = (self._heads(x) for x in (self.q(query), self.k(key), self.v(value)))
        mask = None if attn_mask is None else self._additive(attn_mask, q.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        output = self.o(mixed.transpose(1, 2).flatten(2))
        return (output, None) if self.pair else output

    def _heads(self, x: Tensor) -> Tensor:
        split: Tensor = x.unflatten(-1, (self.heads, -1))
        return split.transpose(1, 2)

    def _additive(self, mask: Tensor, dtype: torch.dtype) -> Tensor:
        """What is added to the scores: True means masked out, (B * heads, L, L) is unfolded."""
        if mask.ndim == 3:
            mask = mask.unflatten(0, (-1, self.heads))
        if mask.dtype == torch.bool:
            return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))
        return mask.to(dtype)


class SplitQueryKeyValue(nn.Module):
    """A fused `qkv` layer (timm) as three linear layers whose outputs are joined."""

    def __init__(self, fused: nn.Linear) -> None:
        super().__init__()
        weights = fused.weight.detach().chunk(3)
        biases = fused.bias.detach().chunk(3) if fused.bias is not None else (None,) * 3
        self.q, self.k, self.v = (_linear(w, b) for w, b in zip(weights, biases, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Joined query, key and value (B, L, 3 C)."""
        return torch.cat([self.q(x), self.k(x), self.v(x)], dim=-1)


def _is_packed(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention) or (
        hasattr(module, "in_proj_weight")
        and isinstance(getattr(module, "out_proj", None), nn.Linear)
    )


def _check_plain(name: str, module: Any) -> None:
    """Refuse variants whose extra arithmetic the split form would drop."""
    norms = [getattr(module, norm, None) for norm in ("ln_q", "ln_k", "ln_inner")]
    drops = [getattr(module, drop, None) for drop in ("attn_drop", "out_drop")]
    extras = {
        "extra key bias": getattr(module, "bias_k", None) is not None,
        "zero attention": getattr(module, "add_zero_attn", False),
        "dropout": getattr(module, "dropout", 0.0) != 0
        or any(d is not None and d.p > 0 for d in drops),
        "inner norms": any(
            norm is not None and not isinstance(norm, nn.Identity) for norm in norms
        ),
        "scaled cosine": getattr(module, "scaled_cosine", False),
        "head scale": getattr(module, "head_scale", None) is not None,
        "separate widths": getattr(module, "in_proj_weight", None) is None,
        "sequence first": isinstance(module, nn.MultiheadAttention) and not module.batch_first,
    }
    if present := [extra for extra, there in extras.items() if there]:
        raise ModelError(
            f"{name} - attention cannot be split - it has {', '.join(present)} - use method full"
        )


def split_attention(root: nn.Module, prefix: str = "") -> dict[str, Origin]:
    """Replace every packed attention below `root`, in place, by an equal split one.

    Args:
        root: An encoder or model.
        prefix: What comes before its parameter names in the whole state dict.

    Returns:
        For each new linear layer (its name below `root`) the parameter and rows it came from.

    Raises:
        ModelError: When an attention has arithmetic that the split form does not have.
    """
    origins: dict[str, Origin] = {}
    for name, module in list(root.named_modules()):
        if _is_packed(module):
            _check_plain(name, module)
            heads = int(module.num_heads)
            split: nn.Module = SplitAttention(
                module, heads, isinstance(module, nn.MultiheadAttention)
            )
            _replace(root, name, split.train(module.training))
            rows = module.in_proj_weight.shape[0] // 3
            origins |= _origins(name, f"{prefix}{name}.in_proj_weight", rows)
            origins[f"{name}.o"] = Origin(
                f"{prefix}{name}.out_proj.weight", 0, module.out_proj.weight.shape[0]
            )
        elif name.rpartition(".")[2] == "qkv" and isinstance(module, nn.Linear):
            if getattr(root.get_submodule(name.rpartition(".")[0]), "q_bias", None) is not None:
                raise ModelError(
                    f"{name} - attention cannot be split - its biases are separate (EVA, BEiT) - "
                    "use method full"
                )
            _replace(root, name, SplitQueryKeyValue(module).train(module.training))
            origins |= _origins(name, f"{prefix}{name}.weight", module.out_features // 3)
    return origins


def _origins(name: str, parameter: str, rows: int) -> dict[str, Origin]:
    return {
        f"{name}.{part}": Origin(parameter, i * rows, (i + 1) * rows)
        for i, part in enumerate(PARTS)
    }


def _replace(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(root.get_submodule(parent), child, module)
