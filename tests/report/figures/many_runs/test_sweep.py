"""The figure of a key: what is drawn, and where."""

from pathlib import Path

import numpy as np
import pytest

from adapt.report.figures.many_runs.sweep import key_figure
from adapt.report.figures.style import house_style
from adapt.report.record.sweep import keys_of
from tests.helpers.sweeps import made_up_sweep


def test_values_far_apart_stand_on_a_logarithmic_axis(tmp_path: Path) -> None:
    content = made_up_sweep(tmp_path)
    with house_style():
        shown = key_figure(content, keys_of(content)[0], 1)
    (axes,) = shown.drawing.axes
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == [0.0001, 0.0003, 0.001]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    content_best = {
        value: next(e for e in content["settings"] if e["settings"]["method.optim.lr"] == value)
        for value in (0.0001, 0.0003, 0.001)
    }
    for measure, line in zip(("val", "test", "shift_mean"), lines, strict=True):
        drawn = np.asarray(line.get_ydata(), dtype=float)
        assert drawn == pytest.approx([e[measure]["mean"] for e in content_best.values()])
    assert shown.name == "key-1"
    assert "the small marks are all other settings" in shown.caption
    assert "Means over seeds" in shown.caption
    best = content_best[0.0003]["val"]["mean"]
    assert "val: " in shown.alt
    assert f"{100 * best:.1f} % with 0.0003" in shown.alt


@pytest.mark.parametrize(
    ("words", "scale", "ticks"),
    [
        ("lr=1,3,2", "linear", [1, 3, 2]),
        ("lr=none,sqrt", "linear", [0, 1]),
        ("lr=true,false", "linear", [0, 1]),
        ("lr=0,100", "linear", [0, 100]),
        ("lr=null,100", "linear", [0, 1]),
    ],
)
def test_where_values_stand(tmp_path: Path, words: str, scale: str, ticks: list[float]) -> None:
    content = made_up_sweep(tmp_path, (words,))
    with house_style():
        shown = key_figure(content, keys_of(content)[0], 1)
    (axes,) = shown.drawing.axes
    assert axes.get_xscale() == scale
    assert axes.get_xticks().tolist() == ticks
    drawn = next(line for line in axes.lines if len(line.get_xdata()) == len(ticks))
    assert list(drawn.get_xdata()) == sorted(ticks)
