"""A rule is its file: a function from evidence to alpha, with the names of what it needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapt.ensembling.choose import choose_alpha, possible_rules
from adapt.ensembling.rules.base import (
    RULES,
    Evidence,
    needs_corruptions,
    rule,
    rule_names,
    smallest_within,
)
from adapt.errors import RecipeError
from tests.helpers.tiny import run_python


@pytest.fixture
def added() -> Iterator[None]:
    rule("largest", corruptions=True)(lambda evidence: max(evidence.accuracy))
    yield
    del RULES._things["largest"]


@pytest.mark.usefixtures("added")
def test_an_added_rule_can_be_chosen() -> None:
    evidence = Evidence({0.0: 0.9, 1.0: 0.1}, 10, {"blur": {0.0: 0.9, 1.0: 0.1}})
    assert rule_names()[-2:] == ("largest", "fixed")
    assert choose_alpha(evidence, "largest") == 1.0
    assert "largest" in possible_rules(evidence)
    assert needs_corruptions("largest")
    with pytest.raises(RecipeError, match="the rule largest needs at least one corruption"):
        choose_alpha(Evidence(evidence.accuracy, 10), "largest")
    with pytest.raises(
        RecipeError, match=r"use likelihood_gain, .*min_regret, worst_group, largest, fixed"
    ):
        choose_alpha(evidence, "smallest")


def test_evidence_of_nothing_is_refused() -> None:
    for accuracy, images in (({}, 100), ({0.0: 0.5}, 0)):
        with pytest.raises(RecipeError, match="nothing to choose from"):
            Evidence(accuracy, images)


def test_smallest_within_a_margin() -> None:
    values = {0.0: 0.25, 0.5: 0.5, 1.0: 0.5}
    assert [smallest_within(values, margin) for margin in (0.0, 0.125, 0.25)] == [0.5, 0.5, 0.0]


def test_recipes_can_list_the_rules_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom adapt.ensembling.rules.base import rule_names\n"
        "print(*rule_names(), 'torch' in sys.modules, 'numpy' in sys.modules)\n"
    )
    first = "likelihood_gain likelihood likelihood_mean val val_one_se"
    expected = first + " synthetic_shift synthetic_one_se both_one_se min_regret worst_group fixed"
    assert run_python(code, tmp_path).split() == [*expected.split(), "False", "False"]
