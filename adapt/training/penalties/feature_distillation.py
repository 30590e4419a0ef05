"""Features held near the start at several depths (LDIFS, arXiv:2308.13320)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.training.penalties.base import DEPTHS, Penalty, Step, penalty, precise


def feature_distance(features: Sequence[Tensor], start: Sequence[Tensor]) -> Tensor:
    """Mean over depths of `|f / |f| - f0 / |f0||^2` over the tokens: LDIFS (arXiv:2308.13320).

    As in the authors' code: at each depth every number of the width is a vector over the tokens,
    divided by its norm; squared differences are averaged over tokens, width and images. A weight
    means here what it means in the paper.

    Args:
        features: Features (B, T, D) or (B, D) at each depth; T and D may differ from depth to
            depth. Without tokens the vector runs over the width.
        start: The start's features at the same depths.

    >>> now, before = torch.tensor([[[3.0], [4.0]]]), torch.tensor([[[0.0], [5.0]]])
    >>> feature_distance([now], [before])  # ((0.6 - 0)^2 + (0.8 - 1)^2) / 2
    tensor(0.2000)
    """
    distances = [
        (_over_tokens(now) - _over_tokens(before)).square().mean()
        for now, before in zip(features, start, strict=True)
    ]
    return torch.stack(distances).mean()


def _over_tokens(features: Tensor) -> Tensor:
    """Divided by the norm over the second axis, plus the authors' 1e-10."""
    features = precise(features)
    norm: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norm + 1e-10)


@penalty("feature_distillation")
class FeatureDistance(Penalty):
    """`feature_distance` of the image encoder to the start's."""

    watches = DEPTHS

    def __call__(self, step: Step) -> Tensor:
        """The distance on this batch."""
        return feature_distance(step.now.depths, step.before.depths)
