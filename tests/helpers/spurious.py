"""A support set in which a feature agrees with the class in most images only."""

import numpy as np
import torch
import torch.nn.functional as F

from adapt.methods.features.groups import SupportGroups, worst_accuracy
from adapt.methods.features.support import Support


def spurious(rare: int, seed: int = 0, val: int = 0) -> Support:
    """Two classes that a weak feature tells apart, and a strong one that agrees in most images."""
    random = np.random.default_rng(seed)
    counts = [(0, 0, 80), (0, 1, rare), (1, 0, rare), (1, 1, 80)]
    y = np.concatenate([[c] * n for c, _, n in counts])
    a = np.concatenate([[v] * n for _, v, n in counts])
    x = random.normal(size=(len(y), 10))
    x[:, 0] += 1.2 * (2 * y - 1)
    x[:, 1] += 3.0 * (2 * a - 1)
    features = F.normalize(torch.from_numpy(x).float(), dim=1)
    held = spurious(val, seed + 1) if val else None
    return Support(
        features[None],
        torch.from_numpy(y),
        torch.eye(2, 10) * 10,
        None if held is None else (held.features, held.targets),
        attributes=torch.from_numpy(a),
        val_attributes=None if held is None else held.attributes,
    )


def worst(head: torch.nn.Module, support: Support) -> float:
    with torch.no_grad():
        right = head(support.features).argmax(1) == support.targets
    return worst_accuracy(right, SupportGroups.of(support).numbers)
