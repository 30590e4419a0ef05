"""Zero-shot prompt weighting: how much each template counts, from images without labels."""

import torch
import torch.nn.functional as F
from torch import Tensor


def zpe_scores(
    features: Tensor, columns: Tensor, scale: float, reference: Tensor | None = None
) -> Tensor:
    """How sure the model is of images with each template, corrected for what it says of any image.

    The score of a template is the mean over images of the largest logit of a class, each logit less
    its bias (Allingham et al., arXiv:2302.06235). The bias is the mean logit of the class over the
    images themselves (the paper's `test`), or with a reference the mean of that and of the mean
    over the reference (the paper's `both`, with images as the model was pretrained on).

    Args:
        features: Unit features (N, D) of images; no label is needed.
        columns: Features (T, K, D) of what each template says of the classes; of any length.
        scale: exp(logit scale).
        reference: Unit features (M, D) of other images, that look like those of the pretraining.

    Returns:
        Scores (T,) in logits, float64.
    """
    centre = features.mean(0)
    if reference is not None:
        centre = (centre + reference.mean(0)) / 2
    away = (features - centre) * scale
    scores = [(away @ F.normalize(own, dim=-1).T).amax(1).double().mean() for own in columns]
    return torch.stack(scores)


def zpe_weights(
    features: Tensor, columns: Tensor, scale: float, reference: Tensor | None = None
) -> Tensor:
    """Weights (T,) of templates, float64: the softmax of their `zpe_scores`; they sum to 1."""
    return zpe_scores(features, columns, scale, reference).softmax(0)
