"""What a text encoder makes of tokens, without the work that no feature depends on."""

from typing import Any

import torch
from torch import Tensor, nn

POOLS = ("argmax", "eos")
"""Ways of pooling that read one position: that of the end of the text."""
PARTS = ("attn_mask", "token_embedding", "positional_embedding", "ln_final", "text_projection")
"""What `open_clip.CLIP` has of a text encoder; models with other text encoders have none of it."""


def encode_tokens(model: Any, tokens: Tensor) -> Tensor:
    """Text features (N, D), not normalised; equal to `model.encode_text` but for rounding.

    In CLIP's own text encoder no position sees what comes after it, and the feature is read at the
    end of the text. What lies behind the longest text of the batch changes nothing: it is cut,
    which for short prompts leaves a seventh of the work. Encoders that see the whole context, or
    pool over it, are left alone.

    Args:
        model: An open_clip model.
        tokens: Shape (N, L), padded to the context length L.

    Example:
        >>> import open_clip
        >>> model = open_clip.create_model("adapt-icons-xs", load_weights=False).eval()
        >>> tokens = open_clip.tokenize(["a cat", "a dog"], model.context_length)
        >>> short, whole = encode_tokens(model, tokens), model.encode_text(tokens)
        >>> torch.allclose(short, whole, atol=1e-5)
        True
    """
    # Tensors without numbers, by which memory is planned, end nowhere.
    fake = hasattr(tokens, "fake_mode")
    if fake or not all(hasattr(model, part) for part in PARTS) or not _causal(model):
        features: Tensor = model.encode_text(tokens)
        return features
    ends = _ends(model, tokens)
    length = int(ends.max()) + 1
    return _encode_shortened(model, tokens[:, :length], ends)


def _causal(model: Any) -> bool:
    """Whether a position sees only what comes before it, and one position is read."""
    mask = model.attn_mask
    if not isinstance(mask, Tensor) or model.text_pool_type not in POOLS:
        return False
    above = torch.ones_like(mask, dtype=torch.bool).triu(1)
    return bool(mask[above].isneginf().all()) and bool((mask[~above] == 0).all())


def _ends(model: Any, tokens: Tensor) -> Tensor:
    """Position (N,) that is read of each text."""
    if model.text_pool_type == "argmax":
        return tokens.argmax(dim=-1)
    ends: Tensor = (tokens == model.text_eos_id).int().argmax(dim=-1)
    return ends


def _encode_shortened(model: Any, tokens: Tensor, ends: Tensor) -> Tensor:
    """What `open_clip.CLIP.encode_text` does, at fewer positions."""
    length, kind = tokens.shape[1], model.transformer.get_cast_dtype()
    hidden = model.token_embedding(tokens).to(kind)
    hidden = hidden + model.positional_embedding[:length].to(kind)
    hidden = model.transformer(hidden, attn_mask=model.attn_mask[:length, :length])
    hidden = model.ln_final(hidden)
    pooled: Tensor = hidden[torch.arange(len(tokens), device=hidden.device), ends]
    projection = model.text_projection
    if isinstance(projection, nn.Linear):
        pooled = projection(pooled)
    elif projection is not None:
        pooled = pooled @ projection
    return pooled
