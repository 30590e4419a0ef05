"""Fisher-weighted averaging against NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from adapt.ensembling.weights.fisher import FLOOR, fisher
from adapt.errors import RecipeError, WeightsError

NAMES = {"w": (4, 3), "b": (3,)}


def drawn(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    state = {name: torch.randn(shape, generator=generator) for name, shape in NAMES.items()}
    return state | {"count": torch.tensor(seed), "alone": torch.randn(2, generator=generator)}


def information(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(100 + seed)
    values = {n: torch.rand(shape, generator=generator) ** 8 for n, shape in NAMES.items()}
    values["w"][seed] = 0
    return values


def test_the_weighted_mean() -> None:
    models, informations = [drawn(n) for n in range(3)], [information(n) for n in range(3)]
    merged = fisher(models, iter(informations))
    lengths = [
        np.linalg.norm(np.concatenate([part[name].numpy().ravel() for name in NAMES]))
        for part in informations
    ]
    for name in NAMES:
        weights = [
            np.maximum(own[name].double().numpy(), FLOOR) / length
            for own, length in zip(informations, lengths, strict=True)
        ]
        summed = sum(w * m[name].double().numpy() for w, m in zip(weights, models, strict=True))
        np.testing.assert_allclose(merged[name], summed / sum(weights), rtol=1e-5, atol=1e-7)
    mean = sum(model["alone"].double() for model in models) / 3
    torch.testing.assert_close(merged["alone"], mean.float())
    assert torch.equal(merged["count"], torch.tensor(0))
    assert merged.adjusted == set(NAMES)


def test_equal_models_stay_as_they_are() -> None:
    model = drawn(5)
    merged = fisher([model] * 3, [information(n) for n in range(3)])
    assert all(torch.equal(merged[name], model[name]) for name in model)


def test_a_certain_model_wins_where_it_is_certain() -> None:
    models = [{"w": torch.tensor([1.0, 1.0])}, {"w": torch.tensor([2.0, 2.0])}]
    merged = fisher(models, [{"w": torch.tensor([1.0, 0.0])}, {"w": torch.tensor([0.0, 1.0])}])["w"]
    np.testing.assert_allclose(merged, [1 + FLOOR, 2 - FLOOR], rtol=1e-6)


def test_what_cannot_be_weighed() -> None:
    with pytest.raises(RecipeError, match="too few models"):
        fisher([drawn(0)], [information(0)])
    with pytest.raises(WeightsError, match="ingredient 2 - no Fisher information"):
        fisher([drawn(0), drawn(1)], [information(0), {"w": torch.zeros(4, 3)}])
    with pytest.raises(WeightsError, match="shapes differ"):
        fisher([drawn(0), drawn(1) | {"w": torch.zeros(2)}], [information(0), information(1)])
