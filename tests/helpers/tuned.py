"""Models that differ from their start in one thing."""

import torch

from adapt.models.adapters.lora import LoraAdapter, LoraSettings
from adapt.models.classifier import Classifier


def new_head(start: Classifier, seed: int = 0) -> Classifier:
    """Another head of its own on the same encoders."""
    tuned = start.clone()
    with torch.no_grad():
        tuned.head.weight.copy_(torch.randn(3, 24, generator=torch.Generator().manual_seed(seed)))
        tuned.head.bias.copy_(torch.tensor([0.2, -0.1, 0.05]))
    tuned.head_from_text = False
    return tuned


def with_adapters(start: Classifier, settings: LoraSettings, size: float = 0.1) -> Classifier:
    """The start with random low-rank adapters merged; the head follows an adapted text encoder."""
    adapter = LoraAdapter(start, settings)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in adapter.classifier.named_parameters():
            if "lora_B" in name:
                parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    merged = adapter.merged()
    return merged if settings.encoder == "image" else merged.rebuild_head()
