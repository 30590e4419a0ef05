"""How held-out support images choose what is added to zero-shot."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from torch import Tensor, nn

from adapt.methods.features.cross_validation import (
    Weights,
    best_setting,
    best_weights,
    deviations,
    fill_classes,
    held_out_logits,
    rounds,
)
from adapt.methods.features.support import Support
from adapt.models.heads import linear_head
from tests.helpers.support_problem import ALL, UNEVEN, problem, shuffled, softmax

pytestmark = pytest.mark.numerical


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(2, 12), st.integers(0, 3))
def test_rounds_take_turns_inside_each_class(targets: list[int], most: int, seed: int) -> None:
    support = problem(targets, seed=seed)
    number = rounds(support, most)
    for label in set(targets):
        own = sorted(number[support.targets == label].tolist())
        if len(own) == 1:
            assert own == [-1]
        else:
            assert own == sorted(place % most for place in range(len(own)))


def test_rounds_go_with_the_images() -> None:
    support = problem(ALL * 3)
    order = torch.randperm(len(support.targets), generator=torch.Generator().manual_seed(5))
    assert torch.equal(rounds(support.part(order)), rounds(support)[order])
    other = Support(support.views, support.targets, support.zero_shot, seed=9)
    assert not torch.equal(rounds(other), rounds(support))


def test_no_image_is_judged_by_itself() -> None:
    support = problem(UNEVEN)
    seen: list[Tensor] = []

    def remember(rest: Support) -> torch.nn.Module:
        seen.append(rest.features)
        return linear_head(torch.full((5, 6), float(len(seen))))

    logits, images = held_out_logits(support, remember)
    assert sorted(images.tolist()) == [0, 1, 2, 3, 5, 6], "the only image of class 1 stays"
    for row, image in zip(logits, images.tolist(), strict=True):
        fit = round(float(row[0] / support.features[image].sum()))
        inside = (seen[fit - 1] == support.features[image]).all(1).any()
        assert not inside


def test_nothing_can_be_held_out_of_single_images() -> None:
    support = problem([0, 1, 2])
    logits, images = held_out_logits(support, lambda rest: linear_head(rest.zero_shot))
    assert logits.shape == (0, 5)
    assert not len(images)
    assert best_setting(support, [1], lambda setting: (logits, images)) is None


def slow_alpha(zero_shot: np.ndarray, evidence: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Two factors, found without gradients and from many starts."""

    def loss(logs: np.ndarray) -> float:
        one, other = np.exp(logs)
        p = softmax(one * zero_shot + other * evidence)
        return float(-np.log(p[np.arange(len(y)), y]).mean())

    starts = [(a, b) for a in (-3.0, 0.0) for b in (-3.0, 0.0)]
    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 2000}
    fits = [minimize(loss, one, method="Nelder-Mead", options=options) for one in starts]
    best = min(fits, key=lambda fit: float(fit.fun))
    return float(np.exp(best.x[1] - best.x[0])), float(best.fun)


@pytest.mark.parametrize("seed", range(4))
def test_alpha_is_the_least_cross_entropy(seed: int) -> None:
    random = np.random.default_rng(seed)
    y = random.integers(0, 4, 60)
    truth = np.eye(4)[y]
    zero_shot = 5 * (truth + random.normal(size=(60, 4)))
    evidence = 0.3 * (truth + 1.3 * random.normal(size=(60, 4)))
    expected = slow_alpha(zero_shot, evidence, y)
    found = best_weights(*map(torch.from_numpy, (zero_shot, evidence, y)))
    assert found[0].alpha == pytest.approx(expected[0], rel=1e-2)
    assert found[1] == pytest.approx(expected[1], abs=1e-6)
    # What is common to all classes of an image, and a unit of measurement, change nothing.
    moved = torch.from_numpy(10 * evidence + random.normal(size=(60, 1)))
    again = best_weights(torch.from_numpy(zero_shot), moved, torch.from_numpy(y))
    assert 10 * again[0].alpha == pytest.approx(found[0].alpha, rel=1e-2)


def test_alpha_with_classes_left_out() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 40)
    pad = 100 * random.normal(size=(40, 2))
    zero_shot = np.eye(3)[y] + random.normal(size=(40, 3))
    evidence = np.eye(3)[y] + random.normal(size=(40, 3))
    expected = best_weights(*map(torch.from_numpy, (zero_shot, evidence, y)))
    wide = [torch.from_numpy(np.hstack([part, pad])) for part in (zero_shot, evidence)]
    allowed = torch.tensor([True, True, True, False, False]).expand(40, -1)
    found = best_weights(*wide, torch.from_numpy(y), allowed)
    assert found[0].alpha == pytest.approx(expected[0].alpha, rel=1e-2)
    assert found[1] == pytest.approx(expected[1], abs=1e-6)


def test_alpha_where_one_side_is_silent() -> None:
    y, right = torch.tensor([0, 1, 1]), torch.eye(2)[torch.tensor([0, 1, 1])]
    silent = torch.ones(3, 2)
    assert best_weights(right, silent, y)[0] == Weights(1.0, 0.0)
    assert best_weights(silent, right, y)[0].alpha > 10, "all right: the surer, the better"
    assert math.isnan(best_weights(silent, silent, y)[1])
    assert best_weights(silent, silent, y)[0] == Weights(1.0, 0.0)


def test_alpha_beside_a_zero_shot_that_says_nothing() -> None:
    """The factor under which the evidence alone explains the images best, whatever its scale."""
    random = np.random.default_rng(0)
    y = random.integers(0, 4, 60)
    evidence = 40 * (np.eye(4)[y] + 1.3 * random.normal(size=(60, 4)))
    rounding = 100 + 1e-6 * random.normal(size=(60, 4))

    def loss(factor: float) -> float:
        odds = softmax(factor * evidence)
        return float(-np.log(odds[np.arange(60), y]).mean())

    expected = minimize_scalar(loss, bounds=(1e-3, 1), method="bounded")
    for zero_shot in (np.zeros((60, 4)), np.ones((60, 4)), rounding):
        found = best_weights(*map(torch.from_numpy, (zero_shot, evidence, y)))
        assert found[0] == Weights(1.0, pytest.approx(expected.x, rel=1e-2))
        assert found[1] == pytest.approx(expected.fun, abs=1e-6)


def test_best_setting_has_most_right_answers() -> None:
    """Heads that know the truth of more and more classes, where zero-shot does not."""
    known_texts = problem(ALL * 2)
    support = replace(known_texts, zero_shot=known_texts.zero_shot.roll(1, 0))
    truth = known_texts.zero_shot

    def choose(images: Support) -> tuple[int, Weights] | None:
        def evidence(setting: int) -> tuple[torch.Tensor, torch.Tensor]:
            known = torch.arange(5) < setting
            head = linear_head(torch.where(known[:, None], truth, -truth))
            return held_out_logits(images, lambda rest: head)

        return best_setting(images, [1, 5, 3], evidence)

    chosen = choose(support)
    assert chosen is not None
    assert chosen[0] == 5
    again = choose(shuffled(support))
    assert again is not None
    assert again[0] == 5
    assert again[1].alpha == pytest.approx(chosen[1].alpha, rel=1e-3)


def test_heads_of_parts_have_logits_of_one_scale_where_zero_shot_is_useless() -> None:
    """Alpha has no limit there; what the temperature corrects must be the same in every fold."""
    random = np.random.default_rng(3)
    y = random.integers(0, 4, 60)
    evidence = np.eye(4)[y] + random.normal(size=(60, 4))
    noise = 40 * random.normal(size=(60, 4))
    parts = [best_weights(*map(torch.from_numpy, (noise[own], evidence[own], y[own])))[0]
             for own in np.array_split(np.arange(60), 3)]  # fmt: skip
    whole, _ = best_weights(*map(torch.from_numpy, (noise, evidence, y)))
    assert max(part.alpha for part in parts) > 3 * min(part.alpha for part in parts)
    for part in parts:
        assert part.evidence == pytest.approx(whole.evidence, rel=0.6)


def test_classes_without_images_get_the_mean() -> None:
    weight, bias = torch.arange(15.0).reshape(5, 3), torch.arange(5.0)
    filled, also = fill_classes(weight, bias, torch.tensor([0, 3, 3, 1]))
    expected = weight[[0, 1, 3]].mean(0)
    assert torch.equal(filled[[0, 1, 3]], weight[[0, 1, 3]])
    assert torch.equal(filled[[2, 4]], expected.repeat(2, 1))
    assert also.tolist() == pytest.approx([0, 1, 4 / 3, 3, 4 / 3])


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize(("targets", "means"), [(ALL, 5), (UNEVEN, 3), ([0, 1, 2], 3)])
def test_deviations_from_the_means_of_classes(targets: list[int], means: int, views: int) -> None:
    support = problem(targets, views)
    x, y = (part.numpy() for part in support.all_views)
    if len(x) == means:  # single images, which are seen from the mean of all
        y, means = np.zeros(len(x), dtype=int), 1
    expected = [row - x[y == label].mean(0) for row, label in zip(x, y, strict=True)]
    found, freedom = deviations(support)
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-6)
    assert freedom == len(x) - means
    assert deviations(problem([1]))[1] == 1


def test_rounds_of_held_out_logits_are_as_many_as_asked() -> None:
    support, parts = problem(ALL * 3), []

    def fit(rest: Support) -> nn.Linear:
        parts.append(len(rest.targets))
        return linear_head(rest.zero_shot)

    logits, images = held_out_logits(support, fit, 2)
    number = rounds(support, 2)
    assert parts == [int((number != turn).sum()) for turn in range(2)]
    assert sorted(images.tolist()) == list(range(36))
    torch.testing.assert_close(logits, support.features[images] @ support.zero_shot.T)
