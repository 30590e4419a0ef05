"""Models that differ from their start in one thing."""

import torch

from adapt.models.classifier import Classifier


def new_head(start: Classifier, seed: int = 0) -> Classifier:
    """Another head of its own on the same encoders."""
    tuned = start.clone()
    with torch.no_grad():
        tuned.head.weight.copy_(torch.randn(3, 24, generator=torch.Generator().manual_seed(seed)))
        tuned.head.bias.copy_(torch.tensor([0.2, -0.1, 0.05]))
    tuned.head_from_text = False
    return tuned
