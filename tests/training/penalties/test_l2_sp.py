"""L2-SP against numpy."""

import numpy as np
import pytest
import torch

from adapt.training.penalties.l2_sp import weight_distance


@pytest.mark.numerical
def test_weight_distance() -> None:
    random = np.random.default_rng(0)
    now = {"a": random.normal(size=(3, 4)), "b": random.normal(size=5)}
    start = {name: random.normal(size=value.shape) for name, value in now.items()}
    expected = sum(((now[name] - start[name]) ** 2).sum() for name in now)
    tensors = ({n: torch.from_numpy(v) for n, v in values.items()} for values in (now, start))
    assert float(weight_distance(*tensors)) == pytest.approx(expected, rel=1e-6)
