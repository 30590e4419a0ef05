"""The search of prompts against every possible choice, and on texts in which nothing is better."""

import itertools
import math

import numpy as np
import pytest
import torch

from adapt.methods.features.prompt_search import PromptSearch, few_enough, search_prompts
from adapt.methods.features.support import Support
from tests.helpers.support_problem import SCALE, problem, unit

TARGETS = [number % 5 for number in range(60)]


def texts(support: Support, noise: list[float], seed: int = 0) -> torch.Tensor:
    """Columns (T, K, D) around the true directions; more noise is a worse template."""
    random = np.random.default_rng(seed)
    true = support.text.double().numpy()
    rows = [unit(true + own * random.normal(size=true.shape)) for own in noise]
    return torch.from_numpy(np.stack(rows)).float()


def slow(support: Support, columns: torch.Tensor, chosen: list[int], sharpness: float) -> float:
    """Mean log-likelihood of all images under the mean of some columns, by loops."""
    values = []
    for feature, target in zip(support.features.double(), support.targets, strict=True):
        logits = []
        for place in range(support.classes):
            mean = sum(columns[number, place].double() for number in chosen)
            logits.append(sharpness * float(feature @ (mean / torch.linalg.norm(mean))))
        values.append(logits[int(target)] - math.log(sum(map(math.exp, logits))))
    return sum(values) / len(values)


def test_forward_adds_the_best_of_all_candidates_each_time() -> None:
    support = problem(TARGETS, seed=3)
    columns = texts(support, [0.9, 0.6, 0.8, 0.7, 0.5])
    search, rows = PromptSearch(support, columns), torch.arange(len(TARGETS))
    chosen, sharpness = search.forward(rows), search.sharpness(rows)
    assert len(chosen) >= 2
    for step in range(len(chosen)):
        rest = [number for number in range(5) if number not in chosen[:step]]
        values = {n: slow(support, columns, [*chosen[:step], n], sharpness) for n in rest}
        assert max(values, key=values.__getitem__) == chosen[step]
    found = float(search.likelihoods(chosen, rows, sharpness).mean())
    assert found == pytest.approx(slow(support, columns, chosen, sharpness), abs=1e-5)
    subsets = [s for size in range(1, 6) for s in itertools.combinations(range(5), size)]
    best = max(slow(support, columns, list(subset), sharpness) for subset in subsets)
    assert found >= best - 0.05


def test_good_templates_are_found_and_kept() -> None:
    support = problem(TARGETS, seed=1)
    columns = texts(support, [1.2, 1.5, 0.1, 1.4])
    found = search_prompts(support, columns)
    assert found.chosen[0] == 2
    assert found.better
    assert found.gain > 0.1
    assert found.accuracy[1] > found.accuracy[0]
    assert found.images == len(TARGETS)


def test_what_is_as_good_by_chance_alone_is_not_kept() -> None:
    kept = 0
    for seed in range(10):
        support = problem(TARGETS, seed=seed)
        found = search_prompts(support, texts(support, [0.5] * 8, seed))
        given = search_prompts(support, texts(support, [0.0] + [0.5] * 7, seed))
        kept += found.better
        assert not given.better, "column 0 is the truth"
    assert kept < 10


def test_nothing_can_be_held_out_of_classes_with_one_image() -> None:
    support = problem([0, 1, 2, 3, 4])
    found = search_prompts(support, texts(support, [1.0, 0.0]))
    assert (found.images, found.better, found.chosen) == (0, False, [0])
    assert math.isnan(found.accuracy[0])


def test_of_many_images_as_many_of_each_class_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    support = problem([0] * 30 + [1] * 5 + [2, 3, 4])
    assert few_enough(support, 10) is support
    monkeypatch.setattr("adapt.methods.features.prompt_search.ROOM", 10 * 5 * 20)
    part = few_enough(support, 10)
    counts = torch.bincount(part.targets, minlength=5).tolist()
    assert counts == [12, 5, 1, 1, 1]
    assert float(part.scale) == pytest.approx(SCALE, rel=1e-5)
