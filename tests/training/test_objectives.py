"""The loss over the classes of a step."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from adapt.training.objectives import CrossEntropy, contrastive_loss, drawn_classes, drawn_prompt
from tests.helpers.tiny import tiny_classifier
from tests.helpers.training import after_prompts


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 11), min_size=1, max_size=8), st.integers(1, 14), st.integers(0, 9))
def test_drawn_classes_hold_those_of_the_batch(targets: list[int], count: int, seed: int) -> None:
    target = torch.tensor(targets)
    drawn = drawn_classes(target, 12, count, torch.Generator().manual_seed(seed)).tolist()
    assert drawn == sorted(set(drawn))
    assert set(targets) <= set(drawn) <= set(range(12))
    assert len(drawn) == max(len(set(targets)), min(count, 12))
    shares = torch.nn.functional.one_hot(target, 12).float()
    again = drawn_classes(shares, 12, count, torch.Generator().manual_seed(seed)).tolist()
    assert again == drawn


def test_each_other_class_is_drawn_alike() -> None:
    random, counts = torch.Generator().manual_seed(0), torch.zeros(10)
    for _ in range(3000):
        counts[drawn_classes(torch.tensor([4]), 10, 4, random)] += 1
    assert counts[4] == 3000
    others = counts[torch.arange(10) != 4]
    assert (others - 1000).abs().max() < 5 * math.sqrt(1000 * 2 / 3)


@pytest.mark.numerical
@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_over_drawn_classes_is_that_of_a_smaller_problem(shares: bool, weighted: bool) -> None:
    names = [f"class_{number}" for number in range(8)]
    wide = tiny_classifier(names=names)
    target: Tensor = torch.tensor([6, 2, 6])
    drawn = drawn_classes(target, 8, 4, after_prompts(wide, 3)).tolist()
    narrow = tiny_classifier(names=[names[number] for number in drawn])
    weight = torch.linspace(0.5, 2, 8) if weighted else None
    local: Tensor = torch.tensor([drawn.index(one) for one in target.tolist()])
    if shares:
        target = torch.nn.functional.one_hot(target, 8).float()
        local = torch.nn.functional.one_hot(local, 4).float()
    pixels = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    random = torch.Generator().manual_seed(3)
    found, (logits,) = CrossEntropy(0.1, True, weight, 4)(
        wide, {"image": pixels, "target": target}, random
    )
    own = None if weight is None else weight[drawn]
    expected, _ = CrossEntropy(0.1, True, own)(
        narrow, {"image": pixels, "target": local}, torch.Generator()
    )
    assert logits.shape == (3, 4)
    torch.testing.assert_close(found, expected)


def test_equal_captions_are_positives_of_each_other() -> None:
    generator = torch.Generator().manual_seed(3)
    images, texts = (
        functional.normalize(torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=-1)
        for _ in range(2)
    )
    group = [0, 1, 0, 2, 1]
    logits = 7.0 * images.numpy() @ texts.numpy().T
    total = 0.0
    for table in (logits, logits.T):
        for i in range(5):
            log_sum = np.log(np.exp(table[i]).sum())
            positives = [j for j in range(5) if group[j] == group[i]]
            total += np.mean([log_sum - table[i, j] for j in positives]) / 5
    loss = contrastive_loss(7.0 * images @ texts.T, torch.tensor(group), "positive")[0]
    assert loss.item() == pytest.approx(total / 2, abs=1e-12)


def test_prompts_are_drawn_as_often_as_they_count() -> None:
    classifier, random = tiny_classifier(), torch.Generator().manual_seed(0)
    count = len(classifier.class_names)
    classifier.prompts = [["rare", "frequent"]] * count
    draws = [drawn_prompt(classifier, 1, random) for _ in range(2000)]
    assert abs(draws.count("rare") - 1000) < 5 * math.sqrt(2000 * 0.25)
    classifier.prompt_weights = [[0.1, 0.9]] * count
    draws = [drawn_prompt(classifier, 1, random) for _ in range(2000)]
    assert abs(draws.count("rare") - 200) < 5 * math.sqrt(2000 * 0.09)
