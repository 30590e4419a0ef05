"""What a sweep says of one key."""

from pathlib import Path

import numpy as np
import pytest

from adapt.report.record.sweep import keys_of, series_of, zero_shot_of
from tests.helpers.sweeps import made_up_sweep


def test_each_value_is_shown_by_its_best_setting_on_val(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path)
    lr, balance = keys_of(content)
    assert (lr.key, lr.values, lr.labels) == (
        "method.optim.lr", [0.0001, 0.0003, 0.001], ["0.0001", "0.0003", "0.001"],
    )  # fmt: skip
    assert (lr.best, lr.at_the_end) == (1, "")
    assert balance.at_the_end == ""
    val, test, shifts = series_of(content, lr)
    assert (val.name, test.name, shifts.name) == ("val", "test", "mean of 2 shifts")
    for place, value in enumerate(lr.values):
        means = {}
        for kind in ("none", "sqrt"):
            setting = {"method.optim.lr": value, "data.balance": kind}
            runs = [row for row in content["runs"] if row["settings"] == setting]
            means[kind] = [np.mean([row[name] for row in runs]) for name in ("val", "test")]
        best = max(means, key=lambda kind: means[kind][0])
        other = "sqrt" if best == "none" else "none"
        assert val.points[place].mean == pytest.approx(means[best][0])
        assert test.points[place].mean == pytest.approx(means[best][1])
        assert (place, pytest.approx(means[other][1])) in test.others


def test_the_end_of_what_was_tried(tmp_path: Path) -> None:
    (key,) = keys_of(made_up_sweep(tmp_path, ("lr=3e-4,1e-4",)))
    assert key.at_the_end == "largest"
    (key,) = keys_of(made_up_sweep(tmp_path, ("lr=3e-4,1e-3",)))
    assert key.at_the_end == "smallest"
    (key,) = keys_of(made_up_sweep(tmp_path, ("lr=3e-4,high",)))
    assert key.at_the_end == ""


def test_zero_shot_is_a_line_only_where_it_is_one(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path, ("lr=3e-4,1e-3",))
    first = content["settings"][0]["zero_shot_test"]
    assert zero_shot_of(content, "test") == pytest.approx(first["mean"])
    content["settings"][0]["zero_shot_test"] = {**first, "mean": first["mean"] + 0.01}
    assert zero_shot_of(content, "test") is None
