"""`auto`: which methods it tries, and in which order."""

from dataclasses import replace

import pytest
import torch

import adapt
from adapt.methods import schemas
from adapt.methods.auto.method import (
    PREFERRED,
    PREFERRED_OF_ONE,
    WITHOUT_TEXT,
    WITHOUT_TEXT_OF_ONE,
    Auto,
)
from adapt.methods.features.base import HeadMethod
from adapt.methods.features.named import feature_methods
from tests.helpers.support_problem import ALL, problem

SINGLE = [0, 1, 2, 3, 4]


def test_every_head_takes_part_that_is_not_made_of_others_and_needs_no_groups() -> None:
    heads = {name for name, schema in schemas().items() if issubclass(schema, HeadMethod)}
    assert set(feature_methods()) == heads - {"auto", "mixture", "dfr", "group_dro"}
    assert set(PREFERRED) == {*feature_methods(), "mixture"} - {"devise"}, "far behind the others"
    assert {*PREFERRED_OF_ONE, *WITHOUT_TEXT, *WITHOUT_TEXT_OF_ONE} <= set(PREFERRED)


def test_candidates_keep_the_documented_order_where_nothing_can_be_held_out() -> None:
    ranking = Auto(["knn", "gda", "clap"]).rank(problem(SINGLE))
    assert [method.name for method in ranking.methods] == ["clap", "gda", "knn", "zero_shot"]


def test_the_head_is_that_of_the_best_method_on_all_images() -> None:
    support = problem(ALL)
    auto = Auto(["nearest_centroid", "gda"])
    best = auto.rank(support).best
    expected = adapt.method(best).head(support)  # type: ignore[attr-defined]
    assert torch.equal(auto.head(support).weight, expected.weight)


def test_what_is_no_head_is_refused_by_name() -> None:
    for name in ("lora", "auto", "gba"):
        with pytest.raises(ValueError, match=f"candidates - no feature-space method - '{name}'"):
            Auto([name])
    with pytest.raises(ValueError, match=r"^views - out of range - 0"):
        Auto(views=0)


def test_without_text_the_order_is_another() -> None:
    """With one image per class `cross_modal` first, with more the mixture of `gda` with a cache."""
    names = ["gda", "cross_modal", "mixture"]

    def first(targets: list[int]) -> list[str]:
        support = problem(targets)
        alike = support.zero_shot[:1].expand(support.classes, -1).contiguous()
        ranking = Auto(names).rank(replace(support, zero_shot=alike))
        return [method.name for method in ranking.methods if method.level]

    assert first(SINGLE) == ["cross_modal", "mixture", "gda", "zero_shot"]
    assert first(ALL)[:2] == ["mixture", "gda"]
