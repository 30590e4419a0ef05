"""A head with a cache: its votes, its bundle, and its place on the line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adapt.ensembling.line import mix
from adapt.models.cache_head import CacheHead, head_from_state
from adapt.models.classifier import Classifier
from tests.helpers.tiny import CLASSES, VIT

pytestmark = pytest.mark.numerical


def zero_shot() -> Classifier:
    return Classifier.from_clip(VIT, "random", CLASSES)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(values, dim=-1)


def space(width: int, seed: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """A matrix and a mean inside the unit sphere."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(width, width, generator=random), unit(width, seed=seed) / 2


def cached(start: Classifier, neighbours: int = 0, whitened: bool = False) -> Classifier:
    width, count = start.head.weight.shape[1], len(start.class_names)
    keys, values = unit(7, width, seed=1), torch.rand(7, count)
    tuned = start.clone()
    weight = start.head.weight.detach() + 0.5
    own = space(width) if whitened else None
    tuned.head = CacheHead(weight, torch.ones(count), keys, values, 3.0, neighbours, own)
    tuned.head_from_text = False
    return tuned


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("neighbours", [0, 1, 3, 9])
def test_logits_equal_a_slow_direct_sum(neighbours: int, whitened: bool) -> None:
    features, keys = unit(5, 4, seed=2), unit(6, 4, seed=3)
    values, weight = torch.randn(6, 3), torch.randn(3, 4)
    matrix, mean = space(4)
    own = (matrix, mean) if whitened else None
    head = CacheHead(weight, torch.arange(3.0), keys, values, 2.5, neighbours, own)
    found = head(features).detach().numpy()
    for row, feature in enumerate(features.numpy()):
        seen = matrix.numpy() @ (feature - mean.numpy()) if whitened else feature
        cosine = keys.numpy() @ seen / np.sqrt(seen @ seen)
        allowed = np.argsort(-cosine)[: neighbours or 6]
        logits = weight.numpy() @ feature + np.arange(3.0)
        for key in allowed:
            logits += np.exp(-2.5 * (1 - cosine[key])) * values[key].numpy()
        np.testing.assert_allclose(found[row], logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("whitened", [False, True])
def test_a_bundle_brings_the_cache_back(tmp_path: Path, whitened: bool) -> None:
    tuned = cached(zero_shot(), 2, whitened)
    again = Classifier.load(tuned.save(tmp_path / "model"))
    size = tuned.backbone.preprocessing.size
    pixels = torch.randn(3, 3, size, size)
    assert torch.equal(again(pixels), tuned(pixels))
    assert isinstance(again.head, CacheHead)
    assert int(again.head.neighbours) == 2


@pytest.mark.parametrize("whitened", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_logits_are_linear_on_the_line(alpha: float, whitened: bool) -> None:
    start = zero_shot()
    tuned = cached(start, whitened=whitened)
    size = start.backbone.preprocessing.size
    pixels = torch.randn(3, 3, size, size)
    expected = (1 - alpha) * start(pixels) + alpha * tuned(pixels)
    torch.testing.assert_close(mix(start, tuned, alpha)(pixels), expected, rtol=1e-4, atol=1e-4)


def test_heads_of_state_dicts() -> None:
    head = CacheHead(unit(3, 8), torch.zeros(3), unit(5, 8), torch.rand(5, 3), 2.0, 4)
    linear = torch.nn.Linear(8, 3)
    whitened = CacheHead(
        unit(3, 8), torch.zeros(3), unit(5, 8), torch.randn(5, 3), 2.0, 0, space(8)
    )
    for given in (head, linear, whitened):
        again = head_from_state(given.state_dict(), 3, 8)
        assert type(again) is type(given)
        assert torch.equal(again(unit(2, 8)), given(unit(2, 8)))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("beta", torch.tensor(-1.0), "below 0"),
        ("neighbours", torch.tensor(-1), "below 0"),
        ("neighbours", torch.tensor(1.0), "do not fit the head - neighbours: float32"),
        ("keys", torch.zeros(5, 9), "keys: float32"),
        ("values", torch.zeros(4, 3), "values: float32"),
        ("values", torch.full((5, 3), float("nan")), "NaN"),
        ("more", torch.zeros(1), "more: float32"),
        ("mean", torch.zeros(8), "mean: float32"),
        ("whitening", torch.eye(8), "mean: "),
    ],
)
def test_heads_that_are_none(name: str, value: torch.Tensor, expected: str) -> None:
    head = CacheHead(unit(3, 8), torch.zeros(3), unit(5, 8), torch.rand(5, 3), 2.0, 4)
    with pytest.raises(ValueError, match=expected):
        head_from_state(head.state_dict() | {name: value}, 3, 8)
    with pytest.raises(ValueError, match="do not fit the head"):
        head_from_state(head.state_dict(), 4, 8)
