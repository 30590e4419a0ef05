"""The sigmoid loss of SigLIP (arXiv:2303.15343): each pair is judged by itself."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adapt.models.classifier import Classifier

SCALE, BIAS = 10.0, -10.0
"""Where the paper begins: t' = log 10 and b = -10, so that the many wrong pairs cost little."""


def sigmoid_loss(
    logits: Tensor, group: Tensor, same_class: str = "mask", rows: Tensor | None = None
) -> Tensor:
    """Mean over images of the sum over captions of -log sigmoid(z logit), z = 1 for own, else -1.

    What becomes of the captions of other images of the same group is said as for
    `adapt.training.objectives.contrastive_loss`: left out (`mask`), wanted as the own caption is
    (`positive`) or pushed away (`negative`, as in the paper).

    Args:
        logits: Scaled cosines plus the bias (B, B): row i is image i, column j caption j. Of
            several processes, the own images (b, B).
        group: Group of each pair, shape (B,).
        same_class: `mask`, `positive` or `negative`.
        rows: Which of the pairs are the own, shape (b,).

    >>> sigmoid_loss(torch.tensor([[30.0, -30.0], [-30.0, 30.0]]), torch.tensor([0, 1])) < 1e-9
    tensor(True)
    """
    rows = torch.arange(len(group), device=group.device) if rows is None else rows
    if len(rows) == 0:  # this process has no image in the last step: its gradients are zero
        return logits.sum()
    same = group[rows, None] == group[None, :]
    own = rows[:, None] == torch.arange(len(group), device=group.device)[None, :]
    wanted = same if same_class == "positive" else own
    losses = -F.logsigmoid(torch.where(wanted, logits, -logits))
    if same_class == "mask":
        losses = losses.masked_fill(same & ~own, 0.0)
    return losses.sum(1).mean()


def begin_sigmoid(classifier: Classifier, scale: float | None, bias: float | None) -> None:
    """Give a model the scale and the bias that a training by this loss begins with.

    Args:
        classifier: Changed in place; both train from here on.
        scale: Factor of the cosines; the model's own if None.
        bias: Added to them; if None that of the model, or the paper's where it has none.
    """
    model = classifier.backbone.model
    with torch.no_grad():
        if scale is not None:
            model.logit_scale.fill_(math.log(scale))
        own = getattr(model, "logit_bias", None)
        if own is None:
            start = torch.full_like(model.logit_scale, BIAS if bias is None else bias)
            model.logit_bias = nn.Parameter(start)
        elif bias is not None:
            own.fill_(bias)
    model.logit_scale.requires_grad_(True)
    model.logit_bias.requires_grad_(True)
