"""Tokenizers of Hugging Face as one JSON text, so that a bundle holds its own.

CLIP's own tokenizer is made from the config and needs none of this.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from adapt.errors import ModelError, one_line

SEPARATORS = ("[SEP]", "</s>")
"""How tokenizers write the separator that `strip_sep_token` takes out."""


def pack_tokenizer(tokenizer: Any) -> str:
    """The JSON text of open_clip's wrapper of a Hugging Face tokenizer, context length included.

    Raises:
        ModelError: When it works in a way that such a text cannot hold.
    """
    from tokenizers import Tokenizer

    fast: Any = getattr(tokenizer, "tokenizer", None)
    backend: Any = getattr(fast, "backend_tokenizer", None)
    mode: Any = getattr(tokenizer, "tokenizer_mode", None)
    if backend is None or mode:
        raise _refusal(type(fast or tokenizer).__name__)
    own = Tokenizer.from_str(backend.to_str())
    own.enable_truncation(tokenizer.context_length, direction=fast.truncation_side)
    own.enable_padding(
        direction=fast.padding_side,
        pad_id=fast.pad_token_id,
        pad_type_id=fast.pad_token_type_id,
        pad_token=fast.pad_token,
        length=tokenizer.context_length,
    )
    if tokenizer.strip_sep_token and _separator(own) != fast.sep_token_id:
        raise _refusal(f"separator {fast.sep_token!r}")
    return str(own.to_str())


class PackedTokenizer:
    """From texts to tokens (N, context length), as open_clip's wrapper does it.

    Args:
        packed: From `pack_tokenizer`.
        clean: What texts go through first.
        strip_sep_token: Whether separators become 0.

    Raises:
        ModelError: When it cannot be read.
    """

    def __init__(self, packed: str, clean: Callable[[str], str], strip_sep_token: bool) -> None:
        from tokenizers import Tokenizer

        try:
            self.tokenizer = Tokenizer.from_str(packed)
        except Exception as error:
            raise ModelError(
                f"tokenizer - cannot be read - {one_line(error)} - copy the whole bundle again"
            ) from error
        self.clean = clean
        self.separator = _separator(self.tokenizer) if strip_sep_token else None

    def __call__(self, texts: list[str]) -> Tensor:
        """Tokens (N, context length) of N texts."""
        cleaned = [self.clean(text) for text in texts]
        rows = [entry.ids for entry in self.tokenizer.encode_batch(cleaned)]
        tokens = torch.tensor(rows, dtype=torch.long)
        return tokens if self.separator is None else tokens.masked_fill(tokens == self.separator, 0)


def _separator(tokenizer: Any) -> int | None:
    known = (tokenizer.token_to_id(name) for name in SEPARATORS)
    return next((place for place in known if place is not None), None)


def _refusal(given: str) -> ModelError:
    return ModelError(
        f"tokenizer - cannot be kept in a saved model - {given} - choose a model with CLIP's own "
        "tokenizer, or one whose tokenizer has a tokenizer.json"
    )
