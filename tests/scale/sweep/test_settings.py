"""Options that do not go, and no choice by test images."""

import re
from typing import Any

import pytest

from adapt.scale.sweep.settings import SweepOptions


@pytest.mark.parametrize("name", ["test", "test.accuracy", "outline.nll", "shift_mean"])
def test_nothing_is_chosen_by_test_images(name: str) -> None:
    with pytest.raises(ValueError, match=f"rank_by - would choose by test images - {name} - "):
        SweepOptions(rank_by=name)


def test_measures_of_val() -> None:
    assert SweepOptions(rank_by="val.nll").measure == SweepOptions(rank_by="nll").measure == "nll"
    with pytest.raises(ValueError, match="not a measure, did you mean 'accuracy'"):
        SweepOptions(rank_by="acuracy")


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"at_once": 0}, "at_once - out of range - 0"),
        ({"at_once": 65}, "at_once - out of range - 65"),
        ({"seed": 3}, "seed - nothing is drawn - 3"),
    ],
)
def test_options_that_do_not_go(options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wrong)):
        SweepOptions(**options)


def test_every_mistake_is_listed() -> None:
    with pytest.raises(ValueError, match=r"^at_once .*\nrank_by [^\n]*$"):
        SweepOptions(at_once=-1, rank_by="test")
