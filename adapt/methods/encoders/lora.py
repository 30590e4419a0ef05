"""LoRA: low-rank changes of the attention weights (arXiv:2106.09685; for CLIP arXiv:2405.18541)."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from adapt.common.ranges import Ranges, above, at_least, each, fraction, one_of, some_of, within
from adapt.common.words import first_few
from adapt.data.image_data import ImageData
from adapt.errors import RunError
from adapt.methods.base import register
from adapt.models.adapters.lora import ENDINGS, LoraAdapter, LoraSettings
from adapt.models.backbones import ENCODERS
from adapt.models.classifier import Classifier
from adapt.training.context import Context
from adapt.training.loop import train
from adapt.training.settings import Optim


@register("lora")
@dataclass
class Lora:
    """Train low-rank adapters in the attention layers, then add them to the weights.

    The head stays what the text encoder says. The result has plain open_clip weights; what is not
    adapted is bit-equal to the start.

    Raises:
        ValueError: When a value is outside its range; the message names the field.
    """

    several_labels: ClassVar[bool] = True

    ranges: ClassVar[Ranges] = Ranges(
        rank=at_least(1, most=10_000),
        alpha=above(),
        dropout=fraction(one=False),
        targets=some_of(ENDINGS, least=1),
        encoder=one_of(ENCODERS),
        layers=each(within(-1000, 1000)),
    )

    rank: int = 8
    """Inner width of the adapters."""
    alpha: float = 16.0
    """Scale: the delta is `alpha / rank` times B A."""
    rank_stabilised: bool = False
    """Scale by `alpha / sqrt(rank)` instead (rsLoRA, arXiv:2312.03732)."""
    dropout: float = 0.0
    """Dropout on the adapters' input while training."""
    targets: list[str] = field(default_factory=lambda: ["q", "k", "v", "o"])
    """Any of q, k, v, o (attention) and mlp."""
    encoder: str = "image"
    """Which encoder: `image`, `text` or `both`."""
    layers: list[int] = field(default_factory=list)
    """Blocks to adapt, negative ones counted from the end; empty means all."""
    optim: Optim = field(
        default_factory=lambda: Optim(lr=5e-4, epochs=20, batch_size=32, weight_decay=0.01)
    )
    """Optimiser settings."""

    def __post_init__(self) -> None:
        self.ranges.check(self)

    def prepare(self, start: Classifier) -> Classifier:
        """A copy of the start with adapters, which alone train.

        Raises:
            ModelError: When the targets hit no layer.
        """
        return build_adapter(start, self._settings(), 0).classifier

    def fit(self, start: Classifier, data: ImageData, context: Context | None = None) -> Classifier:
        """Train adapters on a copy of the start and merge them.

        Raises:
            RunError: When an adapter stayed what it was.
        """
        context = context or Context()
        adapter = build_adapter(start, self._settings(), context.seed)
        return train(
            adapter.classifier,
            data,
            self.optim,
            context,
            finish=lambda _: merge_trained(adapter, self.encoder),
        )

    def _settings(self) -> LoraSettings:
        return LoraSettings(
            self.rank,
            self.alpha,
            self.rank_stabilised,
            self.dropout,
            self.targets,
            self.encoder,
            self.layers,
        )


def build_adapter(start: Classifier, settings: LoraSettings, seed: int) -> LoraAdapter:
    """Adapters in a copy of the start; their first matrices are drawn from the seed.

    Raises:
        ModelError: When the targets hit no layer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LoraAdapter(start, settings)


def merge_trained(adapter: LoraAdapter, encoder: str) -> Classifier:
    """The start with the trained deltas added; a head from text follows an adapted text encoder.

    Args:
        adapter: After training.
        encoder: Which encoder it is in: `image`, `text` or `both`.

    Raises:
        RunError: When an adapter stayed what it was.
    """
    if idle := adapter.idle():
        raise RunError(
            f"lora - adapters did not train - {first_few(idle)} ({len(idle)} of "
            f"{len(adapter.names)}) - raise optim.lr or choose other targets"
        )
    merged = adapter.merged()
    return merged.rebuild_head() if encoder != "image" and merged.head_from_text else merged
