"""Tables of a sweep: their order, numbers and marks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapt.report.sweep.tables import evals_table, run_lines, settings_table
from tests.helpers.sweeps import made_up_sweep


@pytest.fixture
def content(tmp_path: Path) -> dict[str, Any]:
    """Six settings with three seeds each; one run has failed."""
    return made_up_sweep(tmp_path, failed={"lr-1e-4_balance-none_seed-1": "no luck"})


def test_the_best_on_val_comes_first(content: dict[str, Any]) -> None:
    table = settings_table(content)
    assert table.header == [
        "", "lr", "balance", "val", "test", "mean of 2 shifts", "zero-shot test", "ships", "alpha",
        "time of a run",
    ]  # fmt: skip
    shown = [float(row[3].text.removesuffix(" %")) for row in table.rows]
    assert shown == sorted(shown, reverse=True)
    assert [row[0].strong for row in table.rows] == [True, *[False] * 5]
    assert {row[1].text for row in table.rows[:2]} == {"0.0003"}
    best = content["settings"][0]
    runs = [row for row in content["runs"] if row["settings"] == best["settings"]]
    own = [100 * row["val"] for row in runs]
    assert table.rows[0][3].text == f"{np.mean(own):.1f} %"
    assert table.rows[0][3].note == f"{min(own):.1f} to {max(own):.1f}"
    assert [row[3].change for row in table.rows] == ["", "○", *"▼▼▼▼"]


def test_a_setting_without_all_seeds_says_so(content: dict[str, Any]) -> None:
    notes = [row[0].note for row in settings_table(content).rows]
    assert sorted(notes) == ["2 of 3 seeds", *["3 seeds"] * 5]


def test_another_measure_has_a_column(tmp_path: Path) -> None:
    table = settings_table(made_up_sweep(tmp_path, rank_by="nll"))
    assert table.header[3:5] == ["negative log-likelihood", "val"]
    shown = [float(row[3].text) for row in table.rows]
    assert shown == sorted(shown)
    assert {row[4].change for row in table.rows} == {""}


def test_every_test_set_has_a_column(content: dict[str, Any]) -> None:
    table = evals_table(content)
    assert table is not None
    assert table.header == ["", "lr", "balance", *content["settings"][0]["evals"]]
    assert [row[1].text for row in table.rows] == [r[1].text for r in settings_table(content).rows]
    content["settings"] = [{**entry, "evals": {"test": None}} for entry in content["settings"]]
    assert evals_table(content) is None


def test_every_run_has_a_line(content: dict[str, Any]) -> None:
    lines = {line.name: line for line in run_lines(content)}
    assert len(lines) == 18
    failed = lines["lr-1e-4_balance-none_seed-1"]
    assert (failed.state, failed.reason, failed.val, failed.ships) == ("failed", "no luck", "", "")
    done = lines["lr-1e-4_balance-none_seed-0"]
    assert (done.state, done.ships, done.alpha) == ("finished", "mixed model", "0.40")
