"""What an estimator starts from where there is no CLIP."""

import numpy as np
import pytest
import torch

from adapt.errors import DataError
from adapt.methods.estimator.encoded import TextHead, encode, stacked


def test_directions_get_their_scale() -> None:
    for given, scale in ((np.eye(3), 100.0), (30 * np.eye(3), 30.0)):
        head = TextHead(given, 3).head
        np.testing.assert_allclose(head.weight.detach().numpy(), scale * np.eye(3), rtol=1e-6)
        assert torch.equal(TextHead.from_weight(head.weight).head.weight, head.weight)
    with pytest.raises(DataError, match="do not fit"):
        TextHead(np.eye(3), 4)


def test_features_are_made_unit_and_stacked() -> None:
    features = encode(TextHead(np.eye(3), 3), 5 * np.eye(3))
    np.testing.assert_allclose(features.numpy(), np.eye(3), rtol=1e-6)
    assert stacked(features, features).shape == (6, 3)
    with pytest.raises(DataError, match="another width - 2, 3 before"):
        stacked(features, torch.zeros(1, 2))
