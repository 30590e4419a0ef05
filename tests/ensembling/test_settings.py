"""Settings of ensembling that do not fit together."""

from typing import Any

import pytest

from adapt.data.shifts.shift import SHIFTS
from adapt.ensembling.rules.base import rule_names
from adapt.ensembling.settings import CORRUPTIONS, Ensemble


@pytest.mark.parametrize("rule", [rule for rule in rule_names() if rule != "fixed"])
def test_every_rule_may_be_chosen_and_takes_no_alpha(rule: str) -> None:
    assert Ensemble(rule=rule).alpha is None
    with pytest.raises(ValueError, match="alpha - does not go with the rule"):
        Ensemble(rule=rule, alpha=0.5)


def test_default_corruptions_are_shifts() -> None:
    assert set(CORRUPTIONS) <= set(SHIFTS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rule": "fixed"}, "alpha - missing"),
        ({"rule": "fixed", "alpha": 2}, "alpha - out of range - 2"),
        ({"rule": "min_regret", "corruptions": []}, "corruptions - empty"),
        ({"corruptions": ["fog", "fog"]}, "corruptions - listed twice"),
        ({"kind": "mean"}, "kind - not known - 'mean'"),
        ({"soup": "hot"}, "soup - not known - 'hot'"),
        ({"members": 0}, "members - out of range"),
        ({"severity": 6}, "severity - out of range"),
        ({"shallow": 1.5}, "shallow - out of range"),
        ({"alphas": 1}, "alphas - out of range"),
    ],
)
def test_what_does_not_fit(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Ensemble(**given)
    assert str(caught.value).startswith(said)
