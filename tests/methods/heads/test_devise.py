"""DeViSE's rank loss against numpy, and what it learns on a support set."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import adapt
from adapt.methods.features.support import Support
from adapt.methods.heads.devise import rank_loss


@pytest.mark.numerical
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(0, 99))
def test_the_rank_loss_by_hand(targets: list[int], seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(len(targets), 4))
    slow = sum(
        max(0.0, 0.1 - scores[i, y] + scores[i, j])
        for i, y in enumerate(targets)
        for j in range(4)
        if j != y
    )
    loss = rank_loss(torch.from_numpy(scores), torch.tensor(targets), 0.1)
    assert float(loss) == pytest.approx(slow / len(targets))


def test_it_maps_images_to_the_names_of_their_classes() -> None:
    """Images and names live in turned spaces; zero-shot knows nothing, the map turns them."""
    generator = torch.Generator().manual_seed(0)
    texts = functional.normalize(torch.randn(5, 12, generator=generator), dim=-1)
    turn, _ = torch.linalg.qr(torch.randn(12, 12, generator=generator))
    targets = torch.arange(5).repeat(8)
    noise = 0.1 * torch.randn(40, 12, generator=generator)
    features = functional.normalize(texts[targets] @ turn + noise, dim=-1)
    support = Support(features[None], targets, 20 * texts)
    head = adapt.method("devise").head(support)
    answers = features @ head.weight.detach().T
    zero_shot = features @ support.zero_shot.T
    assert (answers.argmax(1) == targets).float().mean() > 0.95
    assert (zero_shot.argmax(1) == targets).float().mean() < 0.6
    assert not head.bias.detach().any()
    # Each direction lies in the space of the names: what no name says is not learned.
    assert torch.linalg.matrix_rank(head.weight.detach()) <= 5
