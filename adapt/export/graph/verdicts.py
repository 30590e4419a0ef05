"""What `Uncertainty` says of an image, in tensors alone: the same rules, as parts of a graph."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.models.prediction.conformal import LAC, RAPS
from adapt.models.prediction.uncertainty import Uncertainty


def abstained(probabilities: Tensor, own: Uncertainty) -> Tensor:
    """Shape (B,): whether the confidence is below the threshold."""
    if own.abstain_below is None:
        return torch.zeros(probabilities.shape[:1], dtype=torch.bool)
    return probabilities.amax(1) < own.abstain_below


def conformal_sets(probabilities: Tensor, logits: Tensor, own: Uncertainty) -> Tensor:
    """Shape (B, K): the classes that cannot be ruled out; none where no level was asked for.

    Args:
        probabilities: float64 (B, K).
        logits: (B, K); they draw the random part of a randomised score.
        own: Threshold and rule.
    """
    if own.conformal_threshold is None:
        return torch.zeros_like(probabilities, dtype=torch.bool)
    limits = torch.tensor(own.conformal_per_class or own.conformal_threshold, dtype=torch.float64)
    chosen = _scores(probabilities, logits, own) <= limits
    if own.rule.empty:
        return chosen
    best = probabilities.argmax(1, keepdim=True)
    places = torch.arange(probabilities.shape[1])[None]
    return chosen | (~chosen.any(1, keepdim=True) & (places == best))


def labels_given(probabilities: Tensor, thresholds: Sequence[float]) -> Tensor:
    """Shape (B, K): the labels of images that may have several.

    Args:
        probabilities: float64 (B, K), each class by itself.
        thresholds: One for each of the K classes.

    >>> labels_given(torch.tensor([[0.4, 0.6]], dtype=torch.float64), [0.4, 0.9]).tolist()
    [[True, False]]
    """
    return probabilities >= torch.tensor(list(thresholds), dtype=torch.float64)


def _scores(probabilities: Tensor, logits: Tensor, own: Uncertainty) -> Tensor:
    rule = own.rule
    if rule.score == LAC:
        return 1.0 - probabilities
    ranked, order = torch.topk(probabilities, probabilities.shape[1], dim=1)
    sums = torch.cumsum(ranked, 1) - ranked
    if rule.randomised:
        draws = torch.remainder(logits.double().amax(1, keepdim=True) * 1000.0, 1.0)
        sums = sums + draws * ranked
    sums = torch.clamp(sums, max=1.0)
    if rule.score == RAPS:
        ranks = torch.arange(1, probabilities.shape[1] + 1) - rule.free_ranks
        sums = sums + rule.penalty * torch.clamp(ranks, min=0)
    return torch.zeros_like(sums).scatter(1, order, sums)


def unknown(
    probabilities: Tensor, logits: Tensor, temperature: float, own: Uncertainty
) -> tuple[Tensor, Tensor]:
    """Shapes (B,): the score of the detector (zeros without one), and whether it is too low."""
    if own.unknown_threshold is None:
        scores = torch.zeros_like(probabilities[:, 0])
        return scores, torch.zeros_like(scores, dtype=torch.bool)
    if own.unknown_detector == "msp":
        scores = probabilities.amax(1)
    else:
        scores = temperature * torch.logsumexp(logits.double() / temperature, 1)
    return scores, scores < own.unknown_threshold
