"""What the figures of `adapt monitor` draw is what the content holds."""

import numpy as np

from adapt.report.figures import style
from adapt.report.figures.monitor import (
    accuracy_figure,
    confidence_figure,
    figures,
    line_figure,
    mix_figure,
)
from tests.helpers.monitor_content import monitor_content


def test_accuracy() -> None:
    drawn = accuracy_figure(monitor_content())
    axes = drawn.drawing.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["difference of confidences (DoC)", "mean", "held-out images"]
    marks = {
        (float(line.get_xdata()[0]), int(line.get_ydata()[0])): line.get_marker()
        for line in axes.lines
        if len(line.get_xdata()) == 1
    }
    assert marks == {(0.93, 2): "s", (0.8, 0): "D", (0.82, 1): "o"}
    ends = [line.get_xdata() for line in axes.lines if line.get_color() == style.BLUE]
    assert [0.74, 0.9] in [list(end) for end in ends]
    assert "mean: 82.0 %" in drawn.alt


def test_confidence_and_mix() -> None:
    content = monitor_content()
    shares = [
        patch.get_data().values for patch in confidence_figure(content).drawing.axes[0].patches
    ]
    np.testing.assert_allclose(shares[0], content["confidences"]["reference"])
    np.testing.assert_allclose(shares[1], content["confidences"]["new"])
    drawn = mix_figure(content)
    labels = [label.get_text() for label in drawn.drawing.axes[0].get_yticklabels()]
    assert sorted(labels) == ["cat", "dog"]
    assert "cat: 80.0 %, before 50.0 %" in drawn.alt


def test_the_line() -> None:
    drawn = line_figure(monitor_content())
    lines = {line.get_label(): list(line.get_ydata()) for line in drawn.drawing.axes[0].lines}
    assert lines["estimate on the new images"] == [0.86, 0.82]
    assert len(figures(monitor_content())) == 4
    none = monitor_content(along={"shipped": 0.5, "best": None, "points": []})
    assert len(figures(none)) == 3
