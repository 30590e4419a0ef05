"""Evals are expanded, and sections refuse what does not fit together."""

import pytest

from adapt.data.settings import ShiftSettings
from adapt.data.sources.folders import FolderSource
from adapt.recipe.schema import DataSection, Eval, Recipe, expand_evals


def test_one_eval_per_severity() -> None:
    source = FolderSource("tests")
    evals = {"test": source, "blur": ShiftSettings("test", "gaussian_blur", [1, 5]),
             "fog": ShiftSettings("test", "fog", 2)}  # fmt: skip
    assert expand_evals(Recipe(name="x", evals=evals)) == [
        Eval("test", source),
        Eval("blur_1", None, "test", "gaussian_blur", 1),
        Eval("blur_5", None, "test", "gaussian_blur", 5),
        Eval("fog", None, "test", "fog", 2),
    ]


def test_an_eval_is_a_source_or_a_shift() -> None:
    for given in ({}, {"source": FolderSource("x"), "of": "test"}):
        with pytest.raises(ValueError, match="not one of them"):
            Eval("test", **given)  # type: ignore[arg-type]


def test_every_mistake_of_a_section_is_raised() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        DataSection(balance="even", augmentation="x", quarantine_limit=2, exclude="")
    starts = [line.split(" - ")[0] for line in str(caught.value).splitlines()]
    assert starts == ["balance", "quarantine_limit", "exclude", "augmentation"]


def test_retention_is_for_evals() -> None:
    train = FolderSource("x", retention=True)
    with pytest.raises(ValueError, match=r"^data\.train\.retention - for evals only"):
        Recipe(name="x", data=DataSection(train=train))
