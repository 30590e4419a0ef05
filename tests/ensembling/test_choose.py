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
from adapt.evaluation.several_labels.calibration import LabelCalibration

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
    with pytest.raises(RecipeError, match="lacks losses - likelihood - give losses"):
        choose_alpha(Evidence(TABLE, 100), "likelihood")
    for rule in ("synthetic_one_se", "both_one_se"):
        with pytest.raises(RecipeError, match="lacks standard errors"):
            choose_alpha(Evidence({0.5: 0.5}, 40, {"blur": {0.5: 0.5}}), rule)


def test_possible_rules_need_no_more_than_there_is() -> None:
    clean = ("val", "val_one_se")
    assert possible_rules(Evidence(TABLE, 100)) == clean
    likely = Evidence(TABLE, 1, losses={alpha: [0.5] for alpha in TABLE})
    first = ("likelihood_gain", "likelihood", "likelihood_mean")
    assert possible_rules(likely) == (*first, *clean)
    corrupted = Evidence(TABLE, 100, {"blur": TABLE})
    assert possible_rules(corrupted) == (*clean, "synthetic_shift", "min_regret")
    whole = replace(
        corrupted,
        synthetic_error=dict.fromkeys(TABLE, 0.1),
        losses={alpha: [0.5] for alpha in TABLE},
        by_group={"a": TABLE},
    )
    assert possible_rules(whole) == rule_names()[:-1]


# From coarse to fine


def searched(
    grid: list[float], rule: str, evidence: Callable[[list[float]], Evidence]
) -> tuple[float, list[float]]:
    """What is chosen of the points that were visited, and these."""
    visited: list[float] = []

    def near() -> set[float]:
        known = evidence(visited)
        return {choose_alpha(known, rule), *best_points(known, rule)}

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
    held = HeldOut(np.ones(images, int), clean, corrupted)
    held._calibrations = dict.fromkeys(grid, LabelCalibration())  # no part of this, and slow to fit
    return held


def only(held: HeldOut, alphas: list[float]) -> Evidence:
    """The evidence at some of the points."""
    part = HeldOut(
        held.targets,
        {a: held.logits[a] for a in alphas},
        {kind: {a: own[a] for a in alphas} for kind, own in held.corrupted.items()},
    )
    part._calibrations = held._calibrations  # they take most of the time of this test
    return part.evidence()


def fading(random: np.random.Generator, images: int, top: float) -> HeldOut:
    """Images whose logits move along the line, each at its own pace, to those of another model."""
    grid, classes = alpha_grid(11), 5
    targets = random.integers(0, classes, images)
    shown = np.eye(classes)[targets]
    ends = [random.normal(0, 1, shown.shape) + gain * shown for gain in (0.5, 2 * top)]
    pace = random.uniform(0.5, 3, (images, 1))
    far = random.normal(0, 1, shown.shape) * random.uniform(0, 3)
    return HeldOut(
        targets,
        {a: (1 - a) ** pace * ends[0] + (1 - (1 - a) ** pace) * ends[1] + a**4 * far for a in grid},
    )


@pytest.mark.parametrize("rule", ["likelihood", "likelihood_gain"])
def test_likelihood_on_few_points_is_that_of_the_whole_grid(rule: str) -> None:
    """On 40 sets of 20 to 400 images, in eight passes instead of eleven."""
    random, equal, points = np.random.default_rng(1), 0, []
    for _ in range(40):
        held = fading(random, int(random.choice([20, 60, 150, 400])), random.uniform(0.2, 1.5))
        full = choose_alpha(held.evidence(), rule)
        found, visited = searched(alpha_grid(11), rule, lambda known, held=held: only(held, known))
        points.append(len(visited))
        equal += found == full
        assert abs(found - full) < 0.11
    assert equal >= 38
    assert np.mean(points) <= 8


@pytest.mark.parametrize("rule", ["synthetic_shift", "synthetic_one_se", "both_one_se"])
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
    """PACS, full fine-tuning: as on all eleven points of the run."""
    path = Path(__file__).parents[2] / "docs/benchmarks/pacs/curve.json"
    stored = json.loads(path.read_text(encoding="utf-8"))["points"]
    accuracy = {point["alpha"]: point["val"]["accuracy"] for point in stored}
    losses = {point["alpha"]: [point["val"]["nll"]] for point in stored}

    def evidence(known: list[float]) -> Evidence:
        return Evidence({a: accuracy[a] for a in known}, 1, losses={a: losses[a] for a in known})

    for rule in ("likelihood", "likelihood_gain"):
        found, visited = searched(sorted(accuracy), rule, evidence)
        assert found == choose_alpha(evidence(sorted(accuracy)), rule)
        assert len(visited) < len(stored)
