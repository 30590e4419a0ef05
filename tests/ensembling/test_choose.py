"""The grid of alphas, and what a rule lacks."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapt.ensembling.choose import (
    alpha_grid,
    best_points,
    choose_alpha,
    coarse_points,
    possible_rules,
    visit_towards,
)
from adapt.ensembling.held_out import HeldOut
from adapt.ensembling.rules.base import Evidence, rule_names
from adapt.errors import RecipeError

TABLE = {1.0: 0.7, 0.75: 0.7, 0.5: 0.7, 0.25: 0.66, 0.0: 0.5}


def test_the_grid() -> None:
    assert alpha_grid(11) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    with pytest.raises(RecipeError, match="too few - 1"):
        alpha_grid(1)


def test_a_fixed_alpha_must_be_on_the_curve() -> None:
    assert choose_alpha(Evidence(TABLE, 100), "fixed", 0.75) == 0.75
    for fixed in (None, 0.3):
        with pytest.raises(RecipeError, match="not on the curve"):
            choose_alpha(Evidence(TABLE, 100), "fixed", fixed)


def test_what_a_rule_lacks_is_named() -> None:
    with pytest.raises(RecipeError, match="did you mean 'val'"):
        choose_alpha(Evidence(TABLE, 100), "vall")
    for rule in ("synthetic_shift", "min_regret"):
        with pytest.raises(RecipeError, match="needs at least one corruption"):
            choose_alpha(Evidence(TABLE, 100), rule)
    for rule in ("synthetic_one_se", "both_one_se"):
        with pytest.raises(RecipeError, match="lacks standard errors"):
            choose_alpha(Evidence({0.5: 0.5}, 40, {"blur": {0.5: 0.5}}), rule)


def test_possible_rules_need_no_more_than_there_is() -> None:
    clean = ("val", "val_one_se")
    assert possible_rules(Evidence(TABLE, 100)) == clean
    corrupted = Evidence(TABLE, 100, {"blur": TABLE})
    assert possible_rules(corrupted) == (*clean, "synthetic_shift", "min_regret")
    whole = replace(corrupted, synthetic_error=dict.fromkeys(TABLE, 0.1))
    assert possible_rules(whole) == rule_names()[:-1]


# From coarse to fine


def searched(
    grid: list[float], rule: str, evidence: Callable[[list[float]], Evidence]
) -> tuple[float, list[float]]:
    """What is chosen of the points that were visited, and these."""
    visited: list[float] = []

    def near() -> set[float]:
        known = evidence(visited)
        return {choose_alpha(known, rule), *best_points(known)}

    visit_towards(grid, visited.append, near)
    return choose_alpha(evidence(visited), rule), visited


def test_five_points_then_the_neighbours_of_the_choice() -> None:
    grid = alpha_grid(11)
    assert coarse_points(grid) == [0.0, 0.2, 0.5, 0.8, 1.0]
    assert coarse_points(alpha_grid(3)) == [0.0, 0.5, 1.0]

    def peak(top: float) -> Callable[[list[float]], Evidence]:
        return lambda known: Evidence({a: 1 - abs(a - top) for a in known}, 100)

    first = [0.0, 0.2, 0.5, 0.8, 1.0]
    assert searched(grid, "val", peak(0.41)) == (0.4, [*first, 0.4, 0.6, 0.3])
    assert searched(grid, "val", peak(-1)) == (0.0, [*first, 0.1])
    assert searched([0.0, 1.0], "val", peak(1)) == (1.0, [0.0, 1.0])
    # The choice lies below the best point, and is measured by it: both are looked at closely.
    assert searched(grid, "val_one_se", peak(0.7)) == (0.7, [*first, 0.7, 0.9, 0.6])


def flips(random: np.random.Generator, images: int, top: float) -> HeldOut:
    """Images that become right at one alpha and, some of them, wrong again at a later one."""
    grid = alpha_grid(11)
    gained = random.normal(top - 0.4, 0.4, images)
    lost = random.normal(top + 0.6, 0.5, images)

    def right(noise: float) -> dict[float, np.ndarray]:
        shift = random.normal(0, noise, images)
        return {a: (gained + shift < a) & (a < lost + shift) for a in grid}

    clean = {a: np.eye(2)[hits.astype(int)] for a, hits in right(0).items()}
    corrupted = {kind: right(0.2) for kind in ("blur", "fog", "noise")}
    return HeldOut(np.ones(images, int), clean, corrupted)


def only(held: HeldOut, alphas: list[float]) -> Evidence:
    """The evidence at some of the points."""
    return HeldOut(
        held.targets,
        {a: held.logits[a] for a in alphas},
        {kind: {a: own[a] for a in alphas} for kind, own in held.corrupted.items()},
    ).evidence()


@pytest.mark.parametrize("rule", ["val", "val_one_se", "synthetic_one_se", "both_one_se"])
def test_the_choice_cannot_be_told_from_that_of_the_whole_grid(rule: str) -> None:
    """On 200 sets of 20 to 400 images: less than a standard error apart in what the rule sees."""
    random, equal, points = np.random.default_rng(0), 0, []
    for _ in range(200):
        held = flips(random, int(random.choice([20, 60, 150, 400])), random.uniform(0.1, 1.0))
        whole = held.evidence()
        full = choose_alpha(whole, rule)
        found, visited = searched(alpha_grid(11), rule, lambda known, held=held: only(held, known))
        points.append(len(visited))
        equal += found == full
        for values in (
            whole.accuracy,
            {a: whole.synthetic(a) or 0.0 for a in whole.accuracy},
        ):
            error = math.sqrt(max(values.values()) * (1 - max(values.values())) / whole.images)
            assert values[full] - values[found] <= error + 1e-12
    assert equal >= 190
    assert np.mean(points) <= 8


def test_on_a_stored_curve() -> None:
    """PACS, full fine-tuning: the alphas that the run chose on all eleven points."""
    path = Path(__file__).parents[2] / "docs/benchmarks/pacs/curve.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    accuracy = {point["alpha"]: point["val"]["accuracy"] for point in stored["points"]}
    images = stored["points"][0]["val"]["n"]

    def evidence(known: list[float]) -> Evidence:
        return Evidence({a: accuracy[a] for a in known}, images)

    for rule in ("val", "val_one_se"):
        found, _ = searched(sorted(accuracy), rule, evidence)
        full = stored["rules"].get(rule, {}).get("alpha", choose_alpha(evidence([*accuracy]), rule))
        error = math.sqrt(accuracy[full] * (1 - accuracy[full]) / images)
        assert accuracy[full] - accuracy[found] <= error
