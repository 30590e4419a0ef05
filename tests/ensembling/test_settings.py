"""Settings of ensembling that do not fit together."""

from typing import Any

import pytest

from adapt.data.shifts.shift import SHIFTS
from adapt.ensembling.rules.base import needs_groups, rule_names
from adapt.ensembling.settings import CORRUPTIONS, Ensemble, Members


@pytest.mark.parametrize("rule", [rule for rule in rule_names() if rule != "fixed"])
def test_every_rule_may_be_chosen_and_takes_no_alpha(rule: str) -> None:
    groups = "site" if needs_groups(rule) else ""
    assert Ensemble(rule=rule, groups=groups).alpha is None
    with pytest.raises(ValueError, match="alpha - does not go with the rule"):
        Ensemble(rule=rule, groups=groups, alpha=0.5)


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
        ({"members": 0}, "members - out of range - 0 - give 1 to 100 trainings, or {seeds: 3}"),
        ({"members": 101}, "members - out of range"),
        ({"members": 3, "soup": "slerp"}, "soup - slerp goes between two models - 3"),
        ({"members": Members(3, 1), "soup": "slerp"}, "soup - slerp goes between two models - 3"),
        ({"severity": 6}, "severity - out of range"),
        ({"shallow": 1.5}, "shallow - out of range"),
        ({"alphas": 1}, "alphas - out of range"),
    ],
)
def test_what_does_not_fit(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Ensemble(**given)
    assert str(caught.value).startswith(said)


def test_members_as_a_number_or_by_kind() -> None:
    assert Ensemble().models == Members(1, 1)
    assert Ensemble(members=3).models == Members(seeds=3)
    assert Ensemble(members=Members(checkpoints=2), soup="slerp").models.count == 2
    assert Members(2, 4).count == 8
    for name in ("seeds", "checkpoints"):
        with pytest.raises(ValueError, match=f"{name} - out of range - 0 - give 1 to 100"):
            Members(**{name: 0})
