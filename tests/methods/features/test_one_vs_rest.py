"""One regression per class equals scikit-learn's, and pulls to the head it is given."""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from adapt.methods.features.one_vs_rest import OneVsRest
from adapt.methods.features.support import Support


def support(images: int = 60, val: bool = False) -> Support:
    generator = torch.Generator().manual_seed(0)
    features = F.normalize(torch.randn(images, 6, generator=generator) + 0.5, dim=1)
    targets = (features[:, :3] + 0.2 * torch.randn(images, 3, generator=generator) > 0.3).float()
    head = 10 * torch.eye(3, 6)
    held = (features[:20], targets[:20]) if val else None
    return Support(features[None], targets, head, held)


def test_equal_to_scikit_learn() -> None:
    given = support()
    weight, bias = OneVsRest.of(given, None).fit(3.0)
    for k in range(3):
        wanted = LogisticRegression(C=3.0, tol=1e-8, max_iter=1000)
        wanted.fit(given.features.numpy(), given.targets[:, k].numpy())
        assert np.allclose(weight[k], wanted.coef_[0], atol=5e-3)
        assert np.allclose(bias[k], wanted.intercept_[0], atol=5e-3)


def test_strong_regularisation_gives_the_anchor_back() -> None:
    given = support()
    weight, _ = OneVsRest.of(given, given.zero_shot.numpy()).fit(1e-6)
    assert torch.allclose(weight, given.zero_shot, atol=1e-3)


def test_the_strength_is_that_of_the_most_likely_held_out_labels() -> None:
    tried = (0.01, 1.0, 100.0)
    for val in (True, False):
        given = support(val=val)
        chosen = OneVsRest.of(given, given.zero_shot.numpy()).search(given, tried, 3)
        assert chosen in tried
        assert chosen == OneVsRest.of(given, given.zero_shot.numpy()).search(given, tried, 3)
    views = support()
    doubled = Support(views.views.repeat(2, 1, 1), views.targets, views.zero_shot)
    features, targets = doubled.all_views
    assert len(features) == len(targets) == 120
    assert OneVsRest.of(doubled, None).search(doubled, tried, 3) in tried
