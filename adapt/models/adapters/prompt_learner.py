"""Prompts whose first words are learned: CoOp's context vectors (arXiv:2109.01134).

A prompt is [start] [context vectors] [name of the class] [end]. The vectors take the place of token
embeddings, so the text encoder's parts are called one by one here; everything else is what
`encode_text` does.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.errors import ModelError
from adapt.models.backbones import Backbone, tokenizer_of

PARTS = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection")
ADVICE = "use a model with open_clip's own text encoder and tokenizer, or method linear_probe"


class PromptLearner(nn.Module):
    """A head whose weights the frozen text encoder computes from learned context vectors.

    Takes the place of a `Classifier`'s head while it trains: unit image features (B, D) to logits
    (B, K). The vectors are its only parameter.

    Args:
        backbone: The CLIP whose text encoder is used; it stays part of the classifier.
        names: What follows the vectors, for each of the K classes; the prompts of a class with
            several names are averaged as in the zero-shot head.
        context: First values of the vectors: (M, W) shared by all classes, (K, M, W) for each
            class its own; W is the width of the text encoder.

    Raises:
        ModelError: When the encoder cannot be fed embeddings, or a name does not fit beside the
            context.
    """

    tokens: Tensor
    ends: Tensor

    def __init__(self, backbone: Backbone, names: list[list[str]], context: Tensor) -> None:
        super().__init__()
        encoder = text_encoder(backbone)
        # In a tuple, so that the encoders stay parameters of the classifier alone.
        self._backbone = (backbone,)
        self.context = nn.Parameter(context.detach().clone())
        self.counts = [len(own) for own in names]
        flat = [name for own in names for name in own]
        tokens = prompt_tokens(backbone, flat, context.shape[-2])
        ends = _pooled_position(encoder)(tokens)
        if getattr(encoder, "attn_mask", None) is not None and _pool_type(encoder) != "last":
            # Tokens see only those before them: the padding after the longest changes nothing.
            tokens = tokens[:, : int(tokens.any(0).nonzero().max()) + 1]
        self.register_buffer("tokens", tokens, persistent=False)
        self.register_buffer("ends", ends, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (B, K) of unit image features (B, D)."""
        return features @ self.weights().T

    def weights(self) -> Tensor:
        """Scaled unit text features (K, D) of the prompts as the vectors are now."""
        (backbone,) = self._backbone
        encoder = text_encoder(backbone)
        x = self._embeddings(encoder)
        mask, length = getattr(encoder, "attn_mask", None), x.shape[1]
        x = encoder.transformer(x, attn_mask=None if mask is None else mask[:length, :length])
        pooled = encoder.ln_final(x[torch.arange(len(x), device=x.device), self.ends])
        projection = encoder.text_projection
        if projection is not None:
            is_layer = isinstance(projection, nn.Module)
            pooled = projection(pooled) if is_layer else pooled @ projection
        parts = F.normalize(pooled, dim=-1).split(self.counts)
        means = torch.stack([part.mean(0) for part in parts])
        return F.normalize(means, dim=-1) * backbone.scale

    def _embeddings(self, encoder: Any) -> Tensor:
        """What the transformer reads, (P, L, W) for the P prompts of all classes."""
        fixed: Tensor = encoder.token_embedding(self.tokens)
        if self.context.ndim == 3:
            counts = torch.tensor(self.counts, device=self.context.device)
            context = self.context.repeat_interleave(counts, dim=0)
        else:
            context = self.context.expand(len(fixed), -1, -1)
        after = 1 + context.shape[1]
        whole = torch.cat([fixed[:, :1], context.to(fixed.dtype), fixed[:, after:]], dim=1)
        positions: Tensor = encoder.positional_embedding[: whole.shape[1]]
        return whole + positions


def text_encoder(backbone: Backbone) -> Any:
    """The module that holds the parts of the text encoder: the model itself, or its `text`.

    Raises:
        ModelError: When the encoder is not open_clip's own, or has arithmetic of its own around the
            tokens (a class token, a mask of the padding).
    """
    encoder = getattr(backbone.model, "text", backbone.model)
    missing = [part for part in PARTS if not hasattr(encoder, part)]
    extras = [name for name in ("cls_emb", "use_pad_mask") if _is_set(encoder, name)]
    if missing or extras or _pool_type(encoder) not in ("argmax", "eos", "last", "first"):
        reason = f"no {', '.join(missing)}" if missing else ", ".join(extras) or _pool_type(encoder)
        raise ModelError(
            "method prompt_tuning - embeddings cannot be put into the text encoder - "
            f"{backbone.spec.arch}: {type(encoder).__name__} ({reason}) - {ADVICE}"
        )
    return encoder


def _is_set(encoder: Any, name: str) -> bool:
    value = getattr(encoder, name, None)
    return value is not None and value is not False


def _pool_type(encoder: Any) -> str:
    return str(getattr(encoder, "pool_type", getattr(encoder, "text_pool_type", "argmax")))


def _pooled_position(encoder: Any) -> Callable[[Tensor], Tensor]:
    """From tokens (P, L) to the position of each row whose output is the text feature."""
    end: Any = getattr(encoder, "eos_id", getattr(encoder, "text_eos_id", None))
    positions: dict[str, Callable[[Tensor], Tensor]] = {
        "argmax": lambda tokens: tokens.argmax(dim=1),
        "eos": lambda tokens: tokens.eq(end).int().argmax(dim=1),
        "last": lambda tokens: torch.full((len(tokens),), tokens.shape[1] - 1),
        "first": lambda tokens: torch.zeros(len(tokens), dtype=torch.long),
    }
    return positions[_pool_type(encoder)]


def prompt_tokens(backbone: Backbone, names: list[str], vectors: int) -> Tensor:
    """Tokens (P, L) of [start] [room for the vectors, zeros] [name] [end] [padding, zeros].

    Raises:
        ModelError: When a name does not fit, or the tokenizer is not open_clip's own.
    """
    tokenizer = _own_tokenizer(backbone)
    length = len(text_encoder(backbone).positional_embedding)
    rows, room = torch.zeros(len(names), length, dtype=torch.long), length - vectors - 2
    for row, name in zip(rows, names, strict=True):
        own = tokenizer.encode(name)
        if len(own) > room:
            raise ModelError(
                f"method.context - class name does not fit - {name!r} has {len(own)} tokens, "
                f"{vectors} context vectors leave {max(room, 0)} of {length} - use a shorter "
                "context or name"
            )
        row[0] = tokenizer.sot_token_id
        row[1 + vectors : 2 + vectors + len(own)] = torch.tensor([*own, tokenizer.eot_token_id])
    return rows


def embed_words(backbone: Backbone, words: str) -> Tensor:
    """Token embeddings (M, W) of some words, to start the context from.

    Raises:
        ModelError: When the words have no token, or the encoder or tokenizer is not open_clip's
        own.
    """
    embedding = text_encoder(backbone).token_embedding
    ids = _own_tokenizer(backbone).encode(words)
    if not ids:
        raise ModelError(f"method.context - no words - {words!r} - write some, or leave it empty")
    rows: Tensor = embedding(torch.tensor(ids, device=embedding.weight.device))
    return rows.detach()


def random_context(backbone: Backbone, vectors: int, seed: int) -> Tensor:
    """Context vectors (M, W) drawn from N(0, 0.02), as CoOp starts without words."""
    width = text_encoder(backbone).token_embedding.weight.shape[1]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(vectors, width, generator=generator) * 0.02


def _own_tokenizer(backbone: Backbone) -> Any:
    tokenizer = tokenizer_of(backbone.spec)
    if not all(hasattr(tokenizer, name) for name in ("encode", "sot_token_id", "eot_token_id")):
        raise ModelError(
            "method prompt_tuning - not open_clip's own tokenizer - "
            f"{backbone.spec.arch}: {type(tokenizer).__name__} - {ADVICE}"
        )
    return tokenizer
