"""The grid of alphas, and what a rule lacks."""

from dataclasses import replace

import pytest

from adapt.ensembling.choose import alpha_grid, choose_alpha, possible_rules
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
