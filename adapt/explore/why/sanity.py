"""Whether a map of regions depends on what a model has learned."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import spearmanr

from adapt.common.arrays import FloatArray
from adapt.models.classifier import Classifier

Map = Callable[[Classifier], FloatArray]


def shuffled(classifier: Classifier, seed: int = 0) -> Classifier:
    """A copy whose image encoder has the same numbers in each tensor, in random places."""
    other = classifier.clone()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in other.backbone.image_encoder.parameters():
            order = torch.randperm(tensor.numel(), generator=generator)
            tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return other


def randomisation_test(classifier: Classifier, regions: Map, draws: int = 3) -> float | None:
    """How alike the maps of a model and of models with shuffled weights are.

    Adebayo et al. 2018 (arXiv:1810.03292): a map that stays the same when the weights are random
    shows the image, not the model.

    Args:
        classifier: The model.
        regions: From a model to a map of one image.
        draws: Number of models with shuffled weights.

    Returns:
        Mean of the absolute rank correlations, from 0 (nothing in common) to 1; None where a map
        has one value everywhere.
    """
    own = regions(classifier)
    others = [regions(shuffled(classifier, seed)) for seed in range(draws)]
    if np.ptp(own) == 0 or any(np.ptp(other) == 0 for other in others):
        return None
    alike = [abs(spearmanr(own.ravel(), other.ravel()).statistic) for other in others]
    return float(np.mean(alike))
