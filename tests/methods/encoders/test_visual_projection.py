"""The fit against numpy, pooled features against the encoders, and nothing else moves."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import adapt
from adapt.common.seeds import sample_seed
from adapt.data.augmentation.pipeline import Augmentation
from adapt.data.image_data import ImageData
from adapt.data.loading.datasets import ImageDataset
from adapt.data.sources.embedded import from_embedded
from adapt.methods.encoders.visual_projection import VisualProjection, fit_projection
from adapt.models.adapters.projection import projection_of, without_projection
from adapt.models.classifier import Classifier
from adapt.models.heads import linear_head
from adapt.training.context import Context
from adapt.training.features import views as views_module
from adapt.training.features.views import encode_views
from tests.helpers.tiny import RESNET, TIMM, VIT, bit_equal, cross_entropy, tiny_classifier, weights

pytestmark = pytest.mark.numerical

NAME = {VIT: "proj", RESNET: "attnpool.c_proj.weight", TIMM: "head.proj.weight"}
Problem = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def problem(views: int = 3, seed: int = 0) -> Problem:
    """Pooled views (V, 20, 7), targets, W (7, 5), bias (5,), and directions (4, 5) of length 14."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(4, 5))
    directions *= 14 / np.linalg.norm(directions, axis=1, keepdims=True)
    return (
        random.normal(size=(views, 20, 7)),
        random.integers(0, 4, 20),
        random.normal(size=(7, 5)) / 3,
        random.normal(size=5) / 3,
        directions,
    )


def loss_and_gradient(
    x: np.ndarray, y: np.ndarray, matrix: np.ndarray, bias: np.ndarray, directions: np.ndarray
) -> tuple[float, np.ndarray]:
    """Cross-entropy of unit(x W + b) against the directions, and its gradient in W, by hand."""
    raw = x @ matrix + bias
    length = np.linalg.norm(raw, axis=1, keepdims=True)
    unit = raw / length
    logits = unit @ directions.T
    odds = np.exp(logits - logits.max(1, keepdims=True))
    p = odds / odds.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    slope = p @ directions / len(y)
    slope = (slope - unit * (slope * unit).sum(1, keepdims=True)) / length
    return float(loss), x.T @ slope


def slow_fit(given: Problem, strength: float, steps: int, lr: float) -> np.ndarray:
    """Adam and the cosine written out, in float64."""
    views, y, start, bias, directions = given
    matrix, first, second = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for step in range(steps):
        gradient = loss_and_gradient(views[step % len(views)], y, matrix, bias, directions)[1]
        gradient += 2 * strength * (matrix - start)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.9 ** (step + 1)), second / (1 - 0.999 ** (step + 1))
        rate = lr * (1 + math.cos(math.pi * step / steps)) / 2
        matrix -= rate * mean / (np.sqrt(square) + 1e-4)
    return matrix


def fast_fit(given: Problem, strength: float, steps: int, lr: float) -> Tensor:
    pooled, y, matrix, bias, directions = (torch.from_numpy(part) for part in given)
    return fit_projection(
        pooled.float(),
        y,
        matrix.float(),
        bias.float(),
        linear_head(directions.float()),
        strength,
        steps,
        lr,
    )


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize(("strength", "lr"), [(0.25, 1e-3), (1e-6, 1e-2), (4.0, 1e-2)])
def test_equals_numpy(views: int, strength: float, lr: float) -> None:
    given = problem(views)
    expected = slow_fit(given, strength, 40, lr)
    found = fast_fit(given, strength, 40, lr).double().numpy()
    assert np.abs(expected - given[2]).max() > 5e-3
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_it_ends_where_the_penalised_loss_is_smallest() -> None:
    """At the minimum the loss pulls as strongly as the anchor."""
    (view,), y, start, bias, directions = given = problem(1)
    matrix = fast_fit(given, 1.0, 500, 1e-2).double().numpy()
    pull = loss_and_gradient(view, y, matrix, bias, directions)[1]
    np.testing.assert_allclose(pull, -2 * (matrix - start), atol=1e-5)
    assert np.abs(pull).max() > 0.1


def test_without_bias_and_with_a_bias_of_zero() -> None:
    given = problem()
    pooled, y, matrix, _, directions = (torch.from_numpy(part) for part in given)
    head = linear_head(directions.float())
    fits = [
        fit_projection(pooled.float(), y, matrix.float(), bias, head, 0.1, 20, 1e-3)
        for bias in (None, torch.zeros(5))
    ]
    torch.testing.assert_close(*fits)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_views_are_those_of_the_epochs(
    workers: str, start: Classifier, toy_data: ImageData, context: Context
) -> None:
    own, images = start.backbone.preprocessing, toy_data.train.subset(range(0, 24, 5))
    augment = Augmentation("standard", own)
    dataset = ImageDataset(images, start.class_names, augment, seed=7)
    encoder = without_projection(start.backbone.image_encoder)
    runtime = replace(context.runtime, workers=workers, batch_size=4)
    found = encode_views(encoder, dataset, 3, runtime)
    assert found.shape == (3, 5, 32)
    with torch.no_grad():
        for view in range(3):
            for index in range(5):
                pixels = augment(images.open(index), sample_seed(7, view, index))
                torch.testing.assert_close(
                    found[view, index], encoder(pixels[None])[0], atol=1e-5, rtol=1e-5
                )
    assert (found[0] - found[1]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("augmentation", "views", "expected"),
    [("clip", 4, ("clip", 4)), ("clip", 1, ("none", 1)), ("none", 4, ("none", 1))],
)
def test_one_view_is_the_evaluation_view(
    augmentation: str,
    views: int,
    expected: tuple[str, int],
    start: Classifier,
    toy_data: ImageData,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, int]] = []
    original = views_module.encode_views

    def spy(encoder: nn.Module, dataset: ImageDataset, count: int, runtime: Any) -> Tensor:
        seen.append((dataset.transform.policy, count))  # type: ignore[attr-defined]
        return original(encoder, dataset, count, runtime)

    monkeypatch.setattr(views_module, "encode_views", spy)
    own = replace(context, augmentation=augmentation)
    VisualProjection(views=views, steps=1).fit(start, toy_data, own)
    assert seen == [expected]


@pytest.mark.parametrize("arch", [VIT, RESNET])
def test_nothing_else_moves(arch: str, toy_data: ImageData, context: Context) -> None:
    start = tiny_classifier(arch)
    before, name = weights(start), f"backbone.model.visual.{NAME[arch]}"
    method = VisualProjection(steps=30, views=2)
    own = replace(context, augmentation="clip")
    state = torch.get_rng_state()
    tuned = method.fit(start, toy_data, own)
    assert torch.equal(torch.get_rng_state(), state)
    after = weights(tuned)
    assert bit_equal(weights(start), before)
    assert {key for key in before if not torch.equal(before[key], after[key])} == {name}
    assert tuned.head_from_text
    assert tuned.prompts == start.prompts
    no_val = method.fit(start, ImageData(toy_data.train, None), own)
    assert bit_equal(weights(no_val), after), "val is not used, and a fit repeats to the bit"
    other = method.fit(start, toy_data, replace(own, seed=1))
    assert not torch.equal(weights(other)[name], after[name])


@pytest.mark.parametrize("arch", list(NAME))
def test_only_the_projection_is_prepared(arch: str) -> None:
    start = tiny_classifier(arch)
    prepared = VisualProjection().prepare(start)
    trains = [name for name, p in prepared.named_parameters() if p.requires_grad]
    assert trains == [f"backbone.model.visual.{NAME[arch]}"]
    assert bit_equal(weights(prepared), weights(start))
    assert all(p.requires_grad for p in start.parameters())


def distance(tuned: Classifier, start: Classifier) -> float:
    both = [projection_of(one.backbone.image_encoder).matrix for one in (tuned, start)]
    return float((both[0] - both[1]).norm())


def test_strength(start: Classifier, toy_data: ImageData, context: Context) -> None:
    """0 is one over the images of a class; a huge one gives zero-shot back."""
    fits = {
        strength: VisualProjection(strength, steps=100).fit(start, toy_data, context)
        for strength in (0.0, 1 / 8, 1e6, 0.01)
    }
    eighth = fits[1 / 8]  # there are 8 images of each class
    assert bit_equal(weights(eighth), weights(fits[0.0]))
    assert distance(fits[0.01], start) > 1.5 * distance(eighth, start) > 0.01
    assert distance(fits[1e6], start) < 1e-4 * distance(eighth, start)
    pixels = torch.randn(8, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(fits[1e6](pixels), start(pixels), atol=1e-3, rtol=0)
        assert (eighth(pixels) - start(pixels)).abs().max() > 0.1


def test_uneven_classes_count_as_their_mean(
    start: Classifier, toy_data: ImageData, context: Context
) -> None:
    chosen = [*range(8), *range(8, 11), 16]
    data = ImageData(toy_data.train.subset(chosen))
    assert sorted(data.train.counts().values()) == [1, 3, 8]
    found = VisualProjection(steps=5).fit(start, data, context)
    expected = VisualProjection(strength=3 / 12, steps=5).fit(start, data, context)
    assert bit_equal(weights(found), weights(expected))


@pytest.mark.parametrize(
    "settings", [{"strength": -0.1}, {"lr": 0.0}, {"steps": 0}, {"views": 0}], ids=str
)
def test_settings_out_of_range(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(settings))} - out of range - "):
        adapt.method("visual_projection", **settings)


def test_embedded_data(context: Context) -> None:
    emoji = from_embedded("pictograms", "emoji", "train")
    keys = ["animal", "clock", "boat"]
    chosen = [i for key in keys for i in np.flatnonzero(np.array(emoji.labels) == key)[:5]]
    data = ImageData(emoji.subset(chosen))
    start = Classifier.from_clip("adapt-icons-xs", "embedded", [emoji.classes[k] for k in keys])
    tuned = VisualProjection().fit(start, data, context)
    assert cross_entropy(tuned, data.train) < 0.9 * cross_entropy(start, data.train)
