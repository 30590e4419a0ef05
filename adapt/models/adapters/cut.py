"""An image encoder in two parts, so that what no change reaches is computed once."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

BLOCK = re.compile(r"transformer\.resblocks\.(\d+)\.")
BEHIND = ("ln_post.", "proj", "attn_pool", "ln_pool")
"""What open_clip's ViT has behind its blocks."""


@dataclass(frozen=True)
class Cut:
    """A ViT of open_clip, cut before one of its blocks."""

    block: int
    """Number of the first block of the second part; the number of blocks leaves it none."""

    def before(self, encoder: Any, pixels: Tensor) -> Tensor:
        """Activations (B, T, W) of normalised pixels (B, 3, H, W) where the second part begins."""
        hidden: Tensor = encoder._embeds(pixels)
        return self._through(encoder, hidden, 0, self.block)

    def after(self, encoder: Any, hidden: Tensor) -> Tensor:
        """Features (B, D), not normalised, of these activations: what the whole encoder gives."""
        hidden = self._through(encoder, hidden, self.block, len(encoder.transformer.resblocks))
        pooled: Tensor = encoder._pool(hidden)[0]
        return pooled if encoder.proj is None else pooled @ encoder.proj

    @staticmethod
    def _through(encoder: Any, hidden: Tensor, first: int, last: int) -> Tensor:
        turned = not encoder.transformer.batch_first
        if turned:
            hidden = hidden.transpose(0, 1).contiguous()
        for block in encoder.transformer.resblocks[first:last]:
            hidden = block(hidden)
        return hidden.transpose(0, 1) if turned else hidden

    def weights(self, encoder: nn.Module) -> dict[str, Tensor]:
        """The tensors of the first part, by their names in the encoder."""
        return {
            name: value
            for name, value in encoder.state_dict().items()
            if not name.startswith(BEHIND) and _block(name) < self.block
        }

    def size(self, encoder: Any) -> int:
        """Numbers in the activations of one image."""
        tokens, width = encoder.positional_embedding.shape
        return int(tokens * width)


def _block(name: str) -> int:
    """Number of the block that a tensor belongs to; -1 for what lies before them."""
    place = BLOCK.match(name)
    return int(place.group(1)) if place else -1


def cut_before(encoder: nn.Module, changed: Iterable[str]) -> Cut | None:
    """Where an encoder can be cut so that nothing before it changes.

    Args:
        encoder: The `visual` of an open_clip model.
        changed: Names of the tensors in it that change.

    Returns:
        None where the change begins before the first block, or the encoder is not a ViT of
        open_clip whose tokens pass all its blocks.
    """
    parts = ("_embeds", "_pool", "transformer", "positional_embedding")
    if not all(hasattr(encoder, part) for part in parts) or not hasattr(encoder, "proj"):
        return None
    blocks: Any = getattr(encoder.transformer, "resblocks", None)
    if blocks is None or getattr(encoder, "output_tokens", False):
        return None
    first = len(blocks)
    for name in changed:
        place = BLOCK.match(name)
        if place is None and not name.startswith(BEHIND):
            return None
        first = min(first, int(place.group(1)) if place else first)
    return Cut(first) if first else None
