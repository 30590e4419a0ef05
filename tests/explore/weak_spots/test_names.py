"""Similar names first."""

import numpy as np
import torch
from torch.nn import functional

from adapt.explore.weak_spots.names import similar_names
from tests.helpers.tiny import tiny_classifier


def test_equals_all_cosines_sorted() -> None:
    classifier = tiny_classifier(names=["a red circle", "a blue circle", "grass", "a red ball"])
    with torch.no_grad():
        unit = functional.normalize(classifier.head.weight, dim=-1).double().numpy()
    told = similar_names(classifier, 10)
    pairs = [(a, b) for a in range(4) for b in range(a + 1, 4)]
    values = sorted((float(unit[a] @ unit[b]) for a, b in pairs), reverse=True)
    assert np.allclose([pair["cosine"] for pair in told], values, atol=1e-5)
    assert len({tuple(pair["classes"]) for pair in told}) == 6
    assert len(similar_names(classifier, 2)) == 2
