"""Low-rank adapters on the split attention of a CLIP (Hu et al. 2021, arXiv:2106.09685).

peft's own path through `nn.MultiheadAttention` adds the output delta twice and skips the dropout;
its path through `nn.Linear` is right. So attention is split first (`adapt.models.attention`), stock
peft adapts the linear layers, and the deltas are added back to a copy of the untouched start.
"""

import re
from dataclasses import dataclass

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from adapt.errors import ModelError
from adapt.models.attention import Origin, split_attention
from adapt.models.classifier import Classifier

ADAPTER = "adapt"
TOWERS = ("image", "text", "both")
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
    tower: str
    layers: list[int]


class LoraAdapter:
    """Adapters inside a copy of a classifier, and the way back to plain weights.

    Args:
        start: The classifier to adapt; not changed.
        settings: See `LoraSettings`; `layers` empty means all, negative numbers count from the end.

    Raises:
        ModelError: When the targets hit no layer, naming what the towers have.
    """

    def __init__(self, start: Classifier, settings: LoraSettings) -> None:
        self.start = start
        self.classifier = start.clone()
        model = self.classifier.backbone.model
        self.origins: dict[str, Origin] = {}
        for prefix in tower_prefixes(model, settings.tower):
            tower = model.get_submodule(prefix)
            split = split_attention(tower, f"{prefix}.")
            self.origins |= {f"{prefix}.{name}": origin for name, origin in split.items()}
        self.names = self._matching(model, settings)
        for name in self.names:
            weight = model.get_submodule(name).weight
            self.origins.setdefault(name, Origin(f"{name}.weight", 0, weight.shape[0]))
        config = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, use_rslora=settings.rank_stabilised,
            lora_dropout=settings.dropout, target_modules="|".join(re.escape(name) for name in self.names), bias="none",
        )  # fmt: skip
        self.classifier.requires_grad_(False)
        inject_adapter_in_model(config, model, adapter_name=ADAPTER)

    def _matching(self, model: nn.Module, settings: LoraSettings) -> list[str]:
        endings = tuple(ending for target in settings.targets for ending in ENDINGS[target])
        prefixes = tower_prefixes(model, settings.tower)
        linear = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        own = [name for name in linear if any(name.startswith(f"{prefix}.") for prefix in prefixes)]
        found = [name for name in own if name.endswith(endings) and _in_layers(name, own, settings.layers)]
        if not found:
            raise ModelError(f"method.targets - hit no layer - {settings.targets} in tower {settings.tower!r}, layers "
                             f"{settings.layers or 'all'}; {len(own)} linear layers there - a tower without attention "
                             "blocks (ResNet) takes method full")  # fmt: skip
        return found

    def deltas(self) -> dict[str, Tensor]:
        """What the adapters add to each adapted layer's weight, by layer name."""
        model = self.classifier.backbone.model
        return {name: model.get_submodule(name).get_delta_weight(ADAPTER).detach() for name in self.names}

    def merged(self) -> Classifier:
        """A copy of the start with the deltas added: plain weights, no adapter left."""
        result = self.start.clone()
        state = result.backbone.model.state_dict()
        with torch.no_grad():
            for name, delta in self.deltas().items():
                origin = self.origins[name]
                state[origin.name][origin.start : origin.stop] += delta.to(state[origin.name])
        return result


def tower_prefixes(model: nn.Module, tower: str) -> list[str]:
    """Names of the modules that hold the blocks of the wanted towers.

    Raises:
        ModelError: When `tower` is none of `image`, `text`, `both`.
    """
    if tower not in TOWERS:
        raise ModelError(f"method.tower - not known - {tower!r} - choose one of {', '.join(TOWERS)}")
    text = "text" if hasattr(model, "text") else "transformer"
    return [prefix for prefix, kind in (("visual", "image"), (text, "text")) if tower in (kind, "both")]


def _in_layers(name: str, own: list[str], layers: list[int]) -> bool:
    if not layers:
        return True
    block = BLOCK.search(name)
    if block is None:
        return False
    tower = name.split(".")[0]
    depth = 1 + max(int(found[1]) for other in own if other.startswith(tower) and (found := BLOCK.search(other)))
    return int(block[1]) in {layer % depth for layer in layers}
