"""Numbers of an audit against scikit-learn and scipy, computed in another way."""

from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from adapt.evaluation.robustness.gaps import difference_of_proportions_interval
from adapt.explore.audit.measures import Family, GradedAnswers, audit_columns, clear_gaps
from adapt.explore.audit.measures import gaps_to_the_rest as gaps

NAMES = ["ant", "bee", "cat"]
LEAST = 20


@pytest.fixture(scope="module")
def case() -> dict[str, Any]:
    """Answers that are worse in group c, most of all for bees; group d has few images."""
    random = np.random.default_rng(0)
    targets = random.integers(0, 3, 900)
    values = random.choice(["a", "b", "c", "d"], 900, p=[0.4, 0.3, 0.29, 0.01])
    chance = np.where(values == "c", np.where(targets == 1, 0.3, 0.75), 0.85)
    right = random.uniform(size=900) < chance
    answers = np.where(right, targets, (targets + random.integers(1, 3, 900)) % 3)
    before = np.where(random.uniform(size=900) < 0.6, targets, (targets + 1) % 3)
    answered = GradedAnswers(
        targets, NAMES, {"model": answers == targets, "start": before == targets}
    )
    told = audit_columns(answered, {"site": values.tolist()}, LEAST, 0.05, "bh")
    return {"targets": targets, "values": values, "answers": answers, "before": before} | told


def test_rates_are_those_of_scikit_learn(case: dict[str, Any]) -> None:
    for group in case["columns"]["site"]["groups"]:
        own = case["values"] == group["name"]
        for side, said in (("model", "answers"), ("start", "before")):
            rates, given = group[side], (case["targets"][own], case[said][own])
            assert rates["accuracy"]["value"] == pytest.approx(accuracy_score(*given))
            assert rates["balanced"]["value"] == pytest.approx(
                recall_score(*given, labels=np.unique(given[0]), average="macro")
            )
    overall = case["overall"]["model"]["balanced"]["value"]
    assert overall == pytest.approx(balanced_accuracy_score(case["targets"], case["answers"]))


def test_recalls_are_those_of_scikit_learn(case: dict[str, Any]) -> None:
    rows = case["columns"]["site"]["recalls"]
    assert {(row["class"], row["group"]) for row in rows} >= {(c, g) for c in NAMES for g in "abc"}
    for row in rows:
        own = case["values"] == row["group"]
        number = NAMES.index(row["class"])
        expected = recall_score(
            case["targets"][own], case["answers"][own], labels=[number], average=None
        )
        assert row["model"]["value"] == pytest.approx(expected[0])


def test_tests_are_adjusted_together(case: dict[str, Any]) -> None:
    """Fisher's test of every class in every group by scipy, and its false discovery control."""
    rows = case["columns"]["site"]["recalls"]
    p_values, gaps_of_rows = [], []
    for row in rows:
        cell = case["targets"] == NAMES.index(row["class"])
        own = cell & (case["values"] == row["group"])
        rest = cell & (case["values"] != row["group"])
        if min(own.sum(), rest.sum()) < LEAST:
            assert row["gap"] is None
            continue
        right = case["answers"] == case["targets"]
        table = [[(right & part).sum(), (~right & part).sum()] for part in (own, rest)]
        p_values.append(scipy.stats.fisher_exact(table)[1])
        gaps_of_rows.append(row["gap"])
        assert row["gap"]["difference"] == pytest.approx(right[own].mean() - right[rest].mean())
    assert case["tests"]["recall"] == len(p_values)
    assert [gap["p"] for gap in gaps_of_rows] == pytest.approx(p_values)
    adjusted = scipy.stats.false_discovery_control(p_values)
    assert [gap["p_adjusted"] for gap in gaps_of_rows] == pytest.approx(adjusted.tolist())
    assert [gap["clear"] for gap in gaps_of_rows] == (adjusted <= 0.05).tolist()


def test_the_worst_group_and_the_spread(case: dict[str, Any]) -> None:
    site = case["columns"]["site"]
    assert site["worst"] == "c"
    assert site["small"] == ["d"]
    accuracies = {g["name"]: g["model"]["accuracy"]["value"] for g in site["groups"]}
    del accuracies["d"]
    assert site["best"] == max(accuracies, key=lambda name: accuracies[name])
    spread = max(accuracies.values()) - min(accuracies.values())
    assert site["spread"]["difference"] == pytest.approx(spread)
    assert site["spread"]["pairs"] == 3
    by_name = {g["name"]: (g["model"]["accuracy"]["hits"], g["n"]) for g in site["groups"]}
    ends = difference_of_proportions_interval(by_name[site["best"]], by_name["c"], 1 - 0.05 / 3)
    assert site["spread"]["ci"] == ends
    told = clear_gaps(site)
    assert told["below"] == ["c"]
    assert told["recalls_below"][0]["class"] == "bee"
    assert told["recalls_below"][0]["group"] == "c"


def test_against_the_start_in_pairs(case: dict[str, Any]) -> None:
    for group in case["columns"]["site"]["groups"]:
        own = case["values"] == group["name"]
        now, then = ((case[key] == case["targets"])[own] for key in ("answers", "before"))
        fixed, broken = int((now & ~then).sum()), int((then & ~now).sum())
        test = scipy.stats.binomtest(fixed, fixed + broken) if fixed + broken else None
        assert group["change"]["p"] == pytest.approx(1.0 if test is None else test.pvalue)
        assert (group["change"]["p_adjusted"] is None) == group["small"]
    assert case["tests"]["change"] == 3


def test_two_groups_are_one_test() -> None:
    family = Family()
    first, second = gaps([(30, 40), (20, 40)], 20, family)
    assert first is not None
    assert second is not None
    assert len(family.tests) == 1
    family.close(0.05, "holm")
    assert second["difference"] == -first["difference"]
    assert second["p_adjusted"] == first["p_adjusted"] == first["p"]
    assert gaps([(3, 4), (20, 40)], 20, family) == [None, None]
    assert gaps([(3, 4)], 1, Family()) == [None]


def test_fair_answers_give_few_clear_gaps() -> None:
    """Where no group differs, hardly ever is a gap called clear: 100 audits of 30 cells each."""
    random, false = np.random.default_rng(1), 0
    for _ in range(100):
        targets = random.integers(0, 3, 600)
        values = random.integers(0, 10, 600).astype(str).tolist()
        answered = GradedAnswers(targets, NAMES, {"model": random.uniform(size=600) < 0.8})
        told = audit_columns(answered, {"site": values}, 10, 0.05, "bh")["columns"]["site"]
        false += any(row["gap"] and row["gap"]["clear"] for row in told["recalls"])
    assert false <= 10
