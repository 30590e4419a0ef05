"""Means over images against a slow sum."""

import math

import pytest
import torch

from adapt.training.trainer.means import Means


def test_means_are_over_images_and_forget_what_was_dropped() -> None:
    random = torch.Generator().manual_seed(0)
    means, seen = Means(), []
    for step in range(6):
        parts = [torch.rand(count, generator=random) for count in (3, 1 + step)]
        for values in parts:
            means.add({"loss": values.sum(), "hits": (values > 0.5).sum()}, len(values))
        if step == 2:
            assert means.drop()
        else:
            means.keep()
            seen += torch.cat(parts).tolist()
    taken = means.take()
    assert taken["loss"] == pytest.approx(sum(seen) / len(seen), rel=1e-6)
    assert taken["hits"] == sum(value > 0.5 for value in seen) / len(seen)
    assert means.take() == {}, "it begins anew"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_dropped_says_whether_it_was_finite(value: float) -> None:
    means = Means()
    means.add({"loss": torch.tensor(1.0)}, 2)
    means.add({"loss": torch.tensor(value)}, 2)
    assert not means.drop()
    means.add({"loss": torch.tensor(3.0)}, 2)
    means.keep()
    assert means.take(lambda sums: sums * 2) == {"loss": 1.5}
