"""What figures of single results show."""

import numpy as np

from adapt.report.figures.displays.plots import (
    CLASSES,
    classes_figure,
    curve_figure,
    findings_figure,
    scores_figure,
)


def test_a_curve_shows_what_was_scored() -> None:
    points = [
        {"alpha": 0.0, "val": {"accuracy": 0.25}, "test": {"accuracy": 0.5}, "regret": 0.1},
        {"alpha": 0.5, "val": {"accuracy": 0.75}},
        {"alpha": 1.0, "val": {"accuracy": 0.5}, "test": {"accuracy": 0.25}},
    ]
    figure = curve_figure(points, 0.5)
    val, test, chosen = figure.axes[0].lines
    assert np.column_stack(val.get_data()).tolist() == [[0, 0.25], [0.5, 0.75], [1, 0.5]]
    assert np.column_stack(test.get_data()).tolist() == [[0, 0.5], [1, 0.25]]
    assert list(chosen.get_xdata()) == [0.5, 0.5]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_scores_show_the_interval() -> None:
    own = {"accuracy": 0.5, "accuracy_ci": [0.4, 0.7]}
    figure = scores_figure({"start": {"val": own}, "tuned": {"val": own, "test": own}})
    axes = figure.axes[0]
    spans = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    assert spans == [[0.4, 0.7]] * 3
    assert [label.get_text() for label in axes.get_yticklabels()] == ["val", "test"]


def test_of_many_classes_the_most_alike_are_shown() -> None:
    rows = np.eye(CLASSES + 6)
    rows[3] = rows[1] + 0.1 * rows[3]
    figure = classes_figure([f"c{number}" for number in range(len(rows))], rows)
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(shown) == CLASSES
    assert {"c1", "c3"} <= set(shown)
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image[1, 3], 1 / np.hypot(1, 0.1))


def test_findings_count_their_places() -> None:
    place = [[{"path": "a.png"}]]
    findings = [
        {"kind": "near_leak", "level": "error", "places": place * 3},
        {"kind": "blank", "level": "note", "places": []},
        {"kind": "near_leak", "level": "error", "places": place},
    ]
    axes = findings_figure(findings).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [4, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["near leak", "blank"]
    assert findings_figure([]).axes[0].get_xlabel() == "nothing found"


def test_scores_of_several_labels_are_map() -> None:
    whole = {"mAP": 0.5, "mAP_ci": [0.4, 0.7]}
    figure = scores_figure({"start": {"val": {"mAP": 0.25}, "empty": {"mAP": None}, "test": whole}})
    axes = figure.axes[0]
    drawn = [line.get_xdata() for line in axes.lines if len(line.get_xdata())]
    assert [np.atleast_1d(part).tolist() for part in drawn] == [[0.25], [0.4, 0.7], [0.5]]
    assert axes.get_xlabel() == "mAP"
