"""What is said of a sweep, and what is not."""

from pathlib import Path

from adapt.report.sweep.verdict import about, command, headline, verdict
from tests.helpers.sweeps import made_up_sweep

LR = ("method.optim.lr=1e-4,3e-4,1e-3", "data.balance=sqrt")


def test_the_best_comes_first_with_what_it_gains(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, LR)
    best = content["settings"][0]
    first, doubt, *rest = verdict(content)
    gain = 100 * (best["val"]["mean"] - best["zero_shot_val"]["mean"])
    assert headline(content) == "best on val: method.optim.lr=0.0003"
    assert first.startswith(
        f"method.optim.lr=0.0003 is best on val: {100 * best['val']['mean']:.1f} % on val "
        f"({gain:+.1f} over zero-shot), "
    )
    assert "on the mean of 2 shifts" in first
    assert doubt == "All other settings are worse on val by more than chance explains."
    assert rest == []
    assert command(content) == "adapt run pets.yaml data.balance=sqrt method.optim.lr=3e-4"


def test_ties_ends_and_the_probe_are_said(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, ("method.optim.lr=1e-4,3e-4", "seed=0,1"))
    content["settings"][1]["tied"] = True
    content["runs"][0]["shipped"] = "mixed_probe"
    words = verdict(content)
    assert "(means over 2 seeds)" in words[0]
    assert words[1].startswith("The other setting cannot be told apart from it on 400 val images.")
    assert words[2].startswith("In 1 of 4 runs the mixed probe ships")
    assert words[3].endswith(
        "at the end of what was tried: method.optim.lr (0.0003 is the largest)."
    )
    content["settings"][1]["tied"] = content["settings"][0]["tied"] = None
    assert "has no interval" in verdict(content)[1]


def test_runs_without_a_result_are_counted(tmp_path: Path) -> None:
    failed = {"lr-1e-4": "no luck", "lr-3e-4": "none"}
    content = made_up_sweep(tmp_path, LR, failed)
    assert verdict(content)[-1] == "Of 3 runs, 2 failed."
    content = made_up_sweep(tmp_path, LR, {**failed, "lr-1e-3": "none"})
    assert headline(content) == "no run has finished"
    assert verdict(content) == ["Of 3 runs, 3 failed."]


def test_how_it_came_about(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path)
    content["plan"]["draw"] = {"settings": 4, "seed": 2}
    words = about(content)
    assert words[0] == "Tried: 4 of 6 settings, drawn with seed 2, each with 3 seeds."
    assert "(mixed model)" in words[1]
    assert "opened 18 times" in words[3]
