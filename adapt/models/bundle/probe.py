"""The probe: images of noise whose logits travel with the bundle, so that a reader can compare."""

from collections.abc import Callable

import torch
from torch import Tensor

IMAGES = 4


def probe_pixels(size: int) -> Tensor:
    """The fixed images (4, 3, size, size), standard normal like normalised pixels.

    >>> probe_pixels(2).shape, torch.equal(probe_pixels(2), probe_pixels(2))
    (torch.Size([4, 3, 2, 2]), True)
    """
    return torch.randn(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))


def logit_error(classifier: Callable[[Tensor], Tensor], stored: dict[str, Tensor]) -> float:
    """Largest difference between the stored logits and those of a classifier for the same pixels.

    Args:
        classifier: From pixels (B, 3, H, W) to logits (B, K).
        stored: `pixels` and `logits` of a bundle's probe file.
    """
    with torch.inference_mode():
        return float((classifier(stored["pixels"]) - stored["logits"]).abs().max())
