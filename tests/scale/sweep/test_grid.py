"""The runs of a grid and of a draw, and their names."""

import itertools

import pytest

from adapt.common.words import plural
from adapt.errors import RecipeError
from adapt.scale.sweep.grid import LONGEST_NAME, planned_runs
from adapt.scale.sweep.values import read_words

WORDS = read_words(["a.lr=1e-4,1e-3,1e-2", "b=[1, 2],x", "seed=3..5", "c=1"])


def test_the_grid_is_the_product_and_the_seed_changes_fastest() -> None:
    runs = planned_runs(WORDS)
    product = list(itertools.product((1e-4, 1e-3, 1e-2), ([1, 2], "x"), (3, 4, 5)))
    assert [(run.settings["a.lr"], run.settings["b"], run.seed) for run in runs] == product
    assert runs[0].overrides == ("a.lr=1e-4", "b=[1, 2]", "seed=3")
    assert runs[0].name == "lr-1e-4_b-1-2_seed-3"


def test_a_draw_takes_settings_whole_and_none_twice() -> None:
    every = [tuple(run.overrides) for run in planned_runs(WORDS)]
    drawn = planned_runs(WORDS, 4, seed=7)
    assert len(drawn) == 4 * 3
    assert drawn == planned_runs(WORDS, 4, seed=7)
    settings = {run.overrides[:2] for run in drawn}
    assert len(settings) == 4
    for setting in settings:
        assert [run.seed for run in drawn if run.overrides[:2] == setting] == [3, 4, 5]
    places = [every.index(run.overrides) for run in drawn]
    assert places == sorted(places)
    assert planned_runs(WORDS, 6) == planned_runs(WORDS)
    others = [tuple(run.name for run in planned_runs(WORDS, 2, seed)) for seed in range(10)]
    assert len(set(others)) > 1


@pytest.mark.parametrize("draw", [0, -1, 7])
def test_a_draw_beyond_the_grid_is_refused(draw: int) -> None:
    with pytest.raises(RecipeError, match=f"given {draw}, and there are {plural(6, 'setting')}"):
        planned_runs(WORDS, draw)


def test_too_many_runs_are_refused_and_a_draw_of_them_is_not() -> None:
    words = read_words(["a=0..99", "b=0..99", "c=0..99", "seed=0,1"])
    with pytest.raises(RecipeError, match=r"too many runs - 2,000,000 - .* at most 500 settings"):
        planned_runs(words)
    assert len(planned_runs(words, 3)) == 6


def test_names_are_safe_and_differ() -> None:
    words = read_words(
        [
            "data.train=../a b/c,/a b/c,'a:b*?',-1,1,A.,a",
            f"x={'y' * 40}1,{'y' * 40}2",
            "long.long.key=" + ",".join(f"{'z' * 23}{digit}" for digit in "12"),
        ]
    )
    runs = planned_runs(words)
    names = [run.name for run in runs]
    assert len({name.casefold() for name in names}) == len(names) == 28
    for name in names:
        assert set(name) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_"
        )
        assert len(name) <= LONGEST_NAME
        assert name[0].isalpha()
        assert name[-1] not in ".-"
