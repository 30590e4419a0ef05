"""A sweep is checked as a whole, and two sweeps do not share a folder."""

from pathlib import Path

import pytest

from adapt.errors import RecipeError, RunError
from adapt.scale.sweep.plan import FILE, check_same, make_plan, read_content
from adapt.scale.sweep.values import read_words


def plan_of(*words: str, draw: int | None = None) -> dict[str, object]:
    """What `sweep.json` would hold."""
    return make_plan("quickstart", None, read_words(words), draw).to_dict()


def test_every_combination_is_loaded_before_anything_runs() -> None:
    with pytest.raises(RecipeError) as told:
        plan_of("method.optim.lr=1e-4,oops,1e-3", "seed=0..3", "method.optim.epoch=3")
    lines = str(told.value).splitlines()
    assert lines[0].startswith("sweep - 12 of 12 runs cannot be loaded, so none was started")
    assert len(lines) == 3
    unknown, wrong = sorted(lines[1:], key=lambda line: "lr" in line)
    assert "method.optim.epoch - unknown key, did you mean 'epochs'?" in unknown
    assert unknown.endswith("(in every run)")
    assert "method.optim.lr - wrong type - given 'oops' (command line)" in wrong
    assert wrong.endswith("(in lr-oops_seed-0, lr-oops_seed-1, lr-oops_seed-2 and 1 more)")


def test_values_that_do_not_go_together() -> None:
    with pytest.raises(RecipeError, match=r"1 of 4 runs cannot .*\n.*\(in kind-none_ship-probe\)"):
        plan_of("ensemble.kind=wise_ft,none", "ship=[mixed],[probe]")


def test_the_plan_says_what_runs() -> None:
    plan = plan_of("method.optim.lr=1e-4,1e-3", "seed=0,1", "report.curve=none", draw=1)
    assert plan["keys"] == {"method.optim.lr": [0.0001, 0.001], "seed": [0, 1]}
    assert plan["draw"] == {"settings": 1, "seed": 0}
    assert plan["overrides"] == ["report.curve=none"]
    assert isinstance(plan["runs"], list)
    assert len(plan["runs"]) == 2


def test_another_sweep_in_the_same_folder_is_refused() -> None:
    words = read_words(["method.optim.lr=1e-4,1e-3", "method.optim.epochs=2"])
    plan = make_plan("quickstart", None, words)
    check_same(Path("out"), plan.to_dict(), plan)
    for others, differences in [
        (("method.optim.lr=1e-4,1e-2", "method.optim.epochs=2"), ["keys.method.optim.lr was"]),
        (("method.optim.lr=1e-4,1e-3",), ["method.optim.epochs was 2, is 8"]),
        (
            ("method.optim.lr=1e-4,1e-3", "seed=0,1", "method.optim.epochs=2"),
            ["keys.seed was nothing, is [0, 1]"],
        ),
    ]:
        with pytest.raises(RecipeError, match=r"^out - holds another sweep - ") as told:
            check_same(
                Path("out"), plan.to_dict(), make_plan("quickstart", None, read_words(others))
            )
        for difference in differences:
            assert difference in str(told.value)
    with pytest.raises(RecipeError, match=r"draw was nothing, is \{'settings': 1"):
        check_same(Path("out"), plan.to_dict(), make_plan("quickstart", None, words, 1))
    other = make_plan("quickstart", None, read_words(["method.optim.lr=1e-4,1e-3", "name=x"]))
    with pytest.raises(RecipeError, match="name was quickstart, is x"):
        check_same(Path("out"), plan.to_dict(), other)


def test_how_it_is_computed_may_differ() -> None:
    words = ["method.optim.lr=1e-4,1e-3"]
    plan = make_plan("quickstart", None, read_words(words))
    other = read_words([*words, "runtime.workers=0", "report.formats=[]"])
    check_same(Path("out"), plan.to_dict(), make_plan("quickstart", None, other))


@pytest.mark.parametrize("text", ["", "[]", '{"plan": 1}', '{"plan": {"runs": 3}}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    assert read_content(tmp_path) is None
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RunError, match=r"sweep.json - cannot be read"):
        read_content(tmp_path)
