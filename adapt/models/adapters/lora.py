"""Low-rank adapters on the split attention of a CLIP (Hu et al. 2021, arXiv:2106.09685).

peft's own path through `nn.MultiheadAttention` adds the output delta twice and skips the dropout;
its path through `nn.Linear` is right. So attention is split first (`attention`), stock
peft adapts the linear layers, and the deltas are added back to a copy of the untouched start.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from adapt.errors import ModelError
from adapt.models.adapters.attention import Origin, split_attention
from adapt.models.backbones import ENCODERS
from adapt.models.bundle.low_rank import LowRank, Product
from adapt.models.classifier import Classifier

ADAPTER = "adapt"
ENDINGS = {
    "q": ("attn.q", "attn.qkv.q"),
    "k": ("attn.k", "attn.qkv.k"),
    "v": ("attn.v", "attn.qkv.v"),
    "o": ("attn.o", "attn.proj"),
    "mlp": ("mlp.c_fc", "mlp.c_proj", "mlp.fc1", "mlp.fc2"),
}
BLOCK = re.compile(r"(?:resblocks|blocks|layers?)\.(\d+)\.")


@dataclass
class LoraSettings:
    """Where adapters go and how large they are."""

    rank: int
    alpha: float
    rank_stabilised: bool
    dropout: float
    targets: list[str]
    encoder: str
    layers: list[int]


class LoraAdapter:
    """Adapters inside a copy of a classifier, and the way back to plain weights.

    Args:
        start: The classifier to adapt; not changed.
        settings: See `LoraSettings`; `layers` empty means all, negative numbers count from the end.

    Raises:
        ModelError: When the targets hit no layer, naming what the encoders have.
    """

    def __init__(self, start: Classifier, settings: LoraSettings) -> None:
        self.start = start
        self.classifier = start.clone()
        model: Any = self.classifier.backbone.model
        self.origins: dict[str, Origin] = {}
        for prefix in encoder_prefixes(model, settings.encoder):
            encoder = model.get_submodule(prefix)
            split = split_attention(encoder, f"{prefix}.")
            self.origins |= {f"{prefix}.{name}": origin for name, origin in split.items()}
        self.names = self._matching(model, settings)
        for name in self.names:
            rows = model.get_submodule(name).out_features
            self.origins.setdefault(name, Origin(f"{name}.weight", 0, rows))
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,  # type: ignore[arg-type]  # a float works
            use_rslora=settings.rank_stabilised,
            lora_dropout=settings.dropout,
            target_modules="|".join(re.escape(name) for name in self.names),
            bias="none",
        )
        self.classifier.requires_grad_(False)
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)

    def _matching(self, model: nn.Module, settings: LoraSettings) -> list[str]:
        endings = tuple(ending for target in settings.targets for ending in ENDINGS[target])
        linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        matching: list[str] = []
        for prefix in encoder_prefixes(model, settings.encoder):
            own = [name for name in linear if name.startswith(f"{prefix}.")]
            missed = [
                target
                for target in settings.targets
                if not any(name.endswith(ENDINGS[target]) for name in own)
            ]
            if missed:
                raise ModelError(
                    f"method.targets - match no layer - {missed} in the encoder `{prefix}`, which "
                    f"has {len(own)} linear layers - an encoder without attention blocks (ResNet) "
                    "takes method full"
                )
            blocks = _blocks(own, prefix, settings.layers)
            matching += [
                name
                for name in own
                if name.endswith(endings) and (not settings.layers or _block(name) in blocks)
            ]
        return matching

    def low_rank(self) -> LowRank:
        """What the adapters add to the weights of the start."""
        model: Any = self.classifier.backbone.model
        layers = {name: model.get_submodule(name) for name in self.names}
        products = [
            Product(
                self.origins[name].name,
                self.origins[name].start,
                layer.lora_B[ADAPTER].weight.detach().cpu().clone(),
                layer.lora_A[ADAPTER].weight.detach().cpu().clone(),
            )
            for name, layer in layers.items()
        ]
        return LowRank(tuple(products), layers[self.names[0]].scaling[ADAPTER])

    def idle(self) -> list[str]:
        """Names of the layers to which their adapter adds nothing."""
        model: Any = self.classifier.backbone.model
        return [n for n in self.names if not model.get_submodule(n).lora_B[ADAPTER].weight.any()]

    def merged(self) -> Classifier:
        """A copy of the start with everything added: plain weights, no adapter left."""
        result, added = self.start.clone(), self.low_rank()
        state = result.backbone.model.state_dict()
        with torch.no_grad():
            for name, value in added.weights(state).items():
                state[name].copy_(value)
        # On a start that has an adapter already, this is not all that was added to its base.
        result.low_rank = added if self.start.low_rank is None else None
        return result


def encoder_prefixes(model: nn.Module, encoder: str) -> list[str]:
    """Names of the modules that hold the blocks of the wanted encoders.

    Raises:
        ModelError: When `encoder` is none of `image`, `text`, `both`.
    """
    if encoder not in ENCODERS:
        raise ModelError(
            f"method.encoder - not known - {encoder!r} - choose one of {', '.join(ENCODERS)}"
        )
    text = "text" if hasattr(model, "text") else "transformer"
    return [
        prefix
        for prefix, kind in (("visual", "image"), (text, "text"))
        if encoder in (kind, "both")
    ]


def _block(name: str) -> int | None:
    match = BLOCK.search(name)
    return int(match[1]) if match else None


def _blocks(own: list[str], prefix: str, layers: list[int]) -> set[int]:
    """Block numbers that `layers` means in an encoder, negative ones counted from its end."""
    depth = 1 + max((block for name in own if (block := _block(name)) is not None), default=-1)
    for layer in layers:
        if not -depth <= layer < depth:
            raise ModelError(
                f"method.layers - no such block - {layer}, the encoder `{prefix}` has {depth} - "
                f"give numbers from {-depth} to {depth - 1}"
            )
    return {layer % depth for layer in layers}
