"""What is watched, put together from parts; cosines by hand."""

import numpy as np
import pytest
import torch

from adapt.models.classifier import Classifier
from adapt.training.penalties.base import PENALTIES, Watched, frozen_copy, scaled_cosines
from adapt.training.settings import OF_IMAGE_ENCODER, Optim


def test_parts_of_a_batch_are_put_together() -> None:
    watched = Watched(
        [[torch.tensor([[[1.0]]]), torch.tensor([[[2.0]]])], [torch.ones(1, 2, 1)] * 2],
        [torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]])],
    )
    assert [depth.shape for depth in watched.depths] == [(2, 1, 1), (2, 2, 1)]
    assert watched.depths[0].flatten().tolist() == [1.0, 2.0]
    torch.testing.assert_close(watched.features, torch.tensor([[0.6, 0.8], [0.0, 1.0]]))
    assert watched.features.dtype == torch.float32
    half = Watched([], [torch.tensor([[3.0, 4.0]], dtype=torch.bfloat16)])
    torch.testing.assert_close(half.features, torch.tensor([[0.6, 0.8]]))


@pytest.mark.numerical
def test_cosines_are_not_rounded_to_half_precision(start: Classifier) -> None:
    features, texts = np.random.default_rng(0).normal(size=(2, 4, 24))
    scale = float(start.backbone.model.logit_scale.detach().exp())
    with torch.autocast("cpu", torch.bfloat16):
        found = scaled_cosines(
            start, torch.from_numpy(features).float(), torch.from_numpy(texts).float()
        )
    np.testing.assert_allclose(found.detach().numpy(), scale * features @ texts.T, rtol=1e-4)


def test_every_penalty_has_a_weight_that_is_off() -> None:
    table = PENALTIES.table()
    assert {name: getattr(Optim(), name) for name in table} == dict.fromkeys(table, 0.0)
    watching = {name for name, kind in table.items() if kind.watches}
    assert watching <= set(OF_IMAGE_ENCODER) <= set(table)


def test_frozen_copies_share_nothing(start: Classifier) -> None:
    copy = frozen_copy(start.clone().requires_grad_(True).train())
    assert not copy.training
    assert not any(p.requires_grad for p in copy.parameters())
    assert copy.head.weight.data_ptr() != start.head.weight.data_ptr()
