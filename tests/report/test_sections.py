"""Pages on alpha, robustness and uncertainty: numbers equal to the JSON, figures, degradation."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from adapt.report.figures.alpha import alpha_curve, rules_table
from adapt.report.figures.changes import flips, forgetting
from adapt.report.figures.effective_robustness import effective
from adapt.report.figures.labels import spread
from adapt.report.figures.style import Absent, Picture, house_style
from adapt.report.figures.uncertainty import risk_coverage
from adapt.report.record.read import Run, read_run
from adapt.report.sections import Block, alpha_part, robustness_part, uncertainty_part
from adapt.report.tables.cells import Cell, Table, Text
from adapt.report.tables.guard import guard_table, worse_classes_table
from adapt.report.tables.robustness import (
    corruption_table,
    effective_table,
    flip_table,
    group_tables,
    retention_table,
)
from adapt.report.tables.scores import accuracy_table
from adapt.report.tables.uncertainty import (
    abstention_table,
    conformal_table,
    ece_table,
    temperature_words,
    uncovered_words,
    unknown_table,
)
from tests.helpers.report_fixture import make_guard, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A whole run, read; figures are made in the house style."""
    with house_style():
        yield read_run(make_run(tmp_path_factory.mktemp("runs") / "run", 4, 5))


def changed(run: Run, file: str, **parts: object) -> Run:
    """The run with parts of one file replaced."""
    if file == "scores":
        return replace(run, scores=run.scores | parts)
    return replace(run, **{file: {**getattr(run, file), **parts}})


def stored(run: Run, file: str) -> Any:
    """A deep copy of one file, free to be changed."""
    return json.loads(json.dumps(getattr(run, file)))


def texts(row: list[Cell]) -> list[str]:
    return [cell.text for cell in row]


def rows_of(table: Table | None) -> dict[str, list[Cell]]:
    assert table is not None
    assert all(len(row) == len(table.header) for row in table.rows)
    assert sum(span for _, span in table.groups) in (0, len(table.header))
    return {row[0].text: row for row in table.rows}


def lines_of(axes: Axes, label: str) -> list[np.ndarray]:
    return [np.array(line.get_data()) for line in axes.lines if line.get_label() == label]


def picture(found: Picture | Absent) -> Picture:
    assert isinstance(found, Picture)
    return found


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def test_rules_are_looked_up_on_the_curve(run: Run) -> None:
    curve = stored(run, "curve")
    rows = rows_of(rules_table(run))
    assert list(rows) == [
        "val",
        "val_one_se (used)",
        "synthetic_shift",
        "min_regret",
        "synthetic_one_se",
    ]
    for rule, found in curve["rules"].items():
        row = rows.get(rule) or rows[f"{rule} (used)"]
        (point,) = [p for p in curve["points"] if p["alpha"] == found["alpha"]]
        shifts = [point[name]["accuracy"] for name in list(run.scores["data"]["evals"])[1:]]
        assert texts(row)[1:] == [
            f"{found['alpha']:g}",
            percent(found["accuracy"]),
            percent(point["synthetic"]),
            f"{found['temperature']:.2f}",
            percent(point["test"]["accuracy"]),
            percent(sum(shifts) / len(shifts)),
        ]
    table = rules_table(run)
    assert table is not None
    assert table.groups[-1] == ("for information only", 2)
    assert "took no part in any choice" in table.legend


def test_what_ships_after_the_guard_has_its_own_row(run: Run) -> None:
    lower = changed(run, "curve", chosen=0.2)
    lower = changed(lower, "scores", guard=make_guard("lowered"))
    row = rows_of(rules_table(lower))["shipped"]
    assert (row[0].note, row[1].text) == ("after the guard stepped back", "0.2")
    assert "stepped back from 0.4 to 0.2" in picture(alpha_curve(lower)).caption


def test_alpha_curve_marks_every_rule_and_draws_the_corruptions(run: Run) -> None:
    curves, strip = picture(alpha_curve(run)).figure.axes
    alphas = [line.get_xdata()[0] for line in strip.lines if line.get_marker() == "o"]
    assert alphas == [found["alpha"] for found in stored(run, "curve")["rules"].values()]
    (line,) = lines_of(curves, "val and its corruptions")
    points = stored(run, "curve")["points"]
    assert line.tolist() == [[p["alpha"] for p in points], [p["synthetic"] for p in points]]


def test_a_curve_from_before_the_rules_still_draws(run: Run) -> None:
    points = stored(run, "curve")["points"]
    for point in points:
        del point["synthetic"], point["regret"]
    old = replace(run, curve={"points": points, "chosen": 0.4, "rule": "val"})
    assert len(picture(alpha_curve(old)).figure.axes) == 1
    titles = [each.title for each in alpha_part(old) if isinstance(each, Absent)]
    assert titles == ["Rules"]


def test_guard_table_holds_the_stored_differences(run: Run) -> None:
    guard = make_guard()
    guard["against"]["linear_probe"] = {"difference": -0.04, "ci": [-0.07, -0.01]}
    rows = list(rows_of(guard_table({"guard": guard})).values())
    assert [texts(row)[1] for row in rows] == ["+12.0", "-4.0", "+14.0"]
    assert [row[1].note for row in rows] == ["+6.0 to +18.0", "-7.0 to -1.0", "+9.0 to +20.0"]
    assert [row[1].change for row in rows] == ["▲", "▼", "▲"]
    assert worse_classes_table({"guard": guard}) is None
    worse = {"class": "cup", "n": 12, "difference": -0.25, "ci": [-0.5, -0.01]}
    (row,) = rows_of(worse_classes_table({"guard": guard | {"worse_classes": [worse]}})).values()
    assert texts(row) == ["cup", "12", "-25.0"]


def test_shift_table_holds_the_stored_numbers(run: Run) -> None:
    table, shifts = effective_table(run), stored(run, "robustness")["shifts"]
    assert table is not None
    cells = iter(table.rows)
    for name, entry in shifts.items():
        for place, model in enumerate(("ensemble", "adapted")):
            row, found = next(cells), entry["models"][model]
            assert row[0].text == (name if place == 0 else "")
            assert texts(row)[2:4] == [percent(found["id"]), percent(found["ood"])]
            if found["effective"] is None:
                assert texts(row)[4] == "n/a"
            else:
                assert texts(row)[4] == f"{100 * found['effective']:+.1f}"
            assert texts(row)[5] == f"{100 * found['relative']:+.1f}"
    models = [entry["models"] for entry in shifts.values()]
    for model in ("ensemble", "adapted"):
        row = next(cells)
        assert row[0].text == "mean of shifts"
        assert texts(row)[3] == percent(np.mean([each[model]["ood"] for each in models]))
    assert next(cells, None) is None


def test_shift_table_says_what_cannot_be_told(run: Run) -> None:
    parts = stored(run, "robustness")
    names = list(parts["shifts"])
    falling, none, small = (parts["shifts"][name] for name in names[:3])
    falling |= {"fit": {"slope": -0.4, "intercept": 0.0, "models": 3}, "classes": 2}
    none |= {"fit": None, "reason": "one model"}
    for row in none["models"].values():
        row |= {"effective": None, "effective_ci": None}
    small["models"]["zero_shot"] |= {"id": 0.601, "ood": 0.6}
    rows = rows_of(effective_table(replace(run, robustness=parts)))
    assert rows[names[0]][0].note == "on its 2 classes; its line falls: effective says little"
    assert rows[names[0]][4].change == ""
    assert (rows[names[1]][0].note, rows[names[1]][4].text) == ("no line: one model", "n/a")
    assert (rows[names[2]][6].text, rows[names[2]][6].note) == ("n/a", "the gap was +0.1")
    assert rows["mean of shifts"][4].text == "n/a"


def test_effective_figure_draws_the_stored_line_and_its_distance(run: Run) -> None:
    parts = stored(run, "robustness")
    figure = picture(effective(run)).figure
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == len(parts["shifts"])
    for axes, (name, entry) in zip(panels, parts["shifts"].items(), strict=True):
        mine = entry["models"]["ensemble"]
        (mark,) = lines_of(axes, "ensemble (shipped)")
        assert mark[:, 0] == pytest.approx(logit([mine["id"], mine["ood"]]))
        lines = lines_of(axes, "usual accuracy")
        if entry["fit"] is None:
            assert not lines
            assert axes.get_title(loc="left") == f"{name}: no line"
            continue
        x, y = lines[0]
        slope = (y[1] - y[0]) / (x[1] - x[0])
        usual = y[0] + slope * (logit(mine["id"]) - x[0])
        assert mine["ood"] - expit(usual) == pytest.approx(mine["effective"])
        if slope < 0:
            assert axes.get_title(loc="left") == f"{name}: line falls"
            continue
        assert axes.get_title(loc="left") == f"{name}: {100 * mine['effective']:+.1f}"
        strokes = [line for line in axes.lines if line.get_linewidth() == 2.4]
        assert strokes[0].get_ydata() == pytest.approx([usual, logit(mine["ood"])])


@pytest.mark.usefixtures("run")
def test_effective_figure_draws_no_more_than_six_and_says_so(tmp_path: Path) -> None:
    many = read_run(make_run(tmp_path / "run", 2, 11))
    found = picture(effective(many))
    assert sum(axes.get_visible() for axes in found.figure.axes) == 6
    assert "5 more are in the table" in found.caption
    natural = [axes.get_title(loc="left") for axes in found.figure.axes]
    assert all(title.startswith("domain_") for title in natural)


def test_corruption_table(run: Run) -> None:
    parts = stored(run, "robustness")["corruption_error"]
    parts["ensemble"]["kinds"]["jpeg"] = None
    rows = rows_of(corruption_table(changed(run, "robustness", corruption_error=parts)))
    assert texts(rows["mean of kinds"])[1:] == ["0.97", "1.12", "0.89"]
    assert (rows["jpeg"][-1].text, rows["jpeg"][-1].note) == ("n/a", "zero-shot makes no error")


def test_flips_add_up(run: Run) -> None:
    parts, figure = stored(run, "robustness")["flips"], picture(flips(run)).figure
    for name, row in rows_of(flip_table(run)).items():
        shares = [float(cell.text.split()[0]) for cell in row[2:]]
        assert shares[0] == pytest.approx(sum(shares[1:]), abs=0.16)
        wanted = [parts[name][key] for key in ("rate", "gained", "lost")]
        assert texts(row)[2:5] == [percent(value) for value in wanted]
    gained, lost = figure.axes[0].containers
    assert [bar.get_width() for bar in gained] == [one["gained"] for one in parts.values()]
    assert [bar.get_width() for bar in lost] == [-one["lost"] for one in parts.values()]


def test_retention_and_forgetting(run: Run) -> None:
    parts = stored(run, "robustness")["retention"]
    for name, row in rows_of(retention_table(run)).items():
        found = parts[name]
        assert texts(row)[1:3] == ["300", "20"]
        assert texts(row)[3:5] == [percent(found["before"]), percent(found["after"])]
        assert row[5].change == ("▼" if found["ci"][1] < 0 else "○")
    (axes,) = picture(forgetting(run)).figure.axes
    for line, found in zip(axes.lines, parts.values(), strict=False):
        assert line.get_ydata().tolist() == [point["accuracy"] for point in found["curve"]]
    names = {text.get_text() for text in axes.texts}
    assert names == set(parts)


def test_groups_are_ordered_and_small_ones_are_not_ranked(run: Run) -> None:
    parts = stored(run, "robustness")["groups"]["test"]
    tables = group_tables(run)
    assert [table.header[0] for table in tables] == list(parts)
    for table, found in zip(tables, parts.values(), strict=True):
        sizes = {row["value"]: row["n"] for row in found["rows"]}
        ranked = [row for row in table.rows if sizes[row[0].text] >= 20]
        shown = [float(row[2].text.split()[0]) for row in ranked]
        assert shown == sorted(shown)
        assert table.rows[: len(ranked)] == ranked
        assert [row[0].text for row in table.rows if row[0].strong] == [found["worst"]]
        assert all(row[0].note == "few images, not ranked" for row in table.rows[len(ranked) :])
        assert f"{100 * found['gap']:.1f} points apart" in table.legend


def test_no_group_is_the_worst_when_none_is_ranked(run: Run) -> None:
    rows = [{"value": "day", "n": 3, "accuracy": 0.0, "ci": [0, 0], "before": 1, "ranked": False}]
    parts = {"test": {"light": {"worst": None, "gap": None, "rows": rows}}}
    (table,) = group_tables(changed(run, "robustness", groups=parts))
    assert not any(cell.strong or "worst" in cell.note for cell in table.rows[0])
    assert "apart" not in table.legend


def test_uncertainty_tables_hold_the_stored_numbers(run: Run) -> None:
    parts = stored(run, "uncertainty")
    calibration, abstention = rows_of(ece_table(run)), rows_of(abstention_table(run))
    conformal = rows_of(conformal_table(run))
    for name in run.scores["data"]["evals"]:
        ece, answered = parts["ece"][name], parts["abstention"]["evals"][name]
        assert texts(calibration[name])[1:] == [f"{ece[k]:.3f}" for k in ("before", "after")]
        assert texts(abstention[name])[1:] == [
            percent(answered["coverage"]),
            percent(answered["accuracy"]),
            percent(run.scores["models"]["ensemble"][name]["accuracy"]),
        ]
        expected = []
        for kind in ("global", "per_class"):
            found = parts["conformal"][kind]["evals"][name]
            expected += [percent(found["coverage"]), f"{found['size']:.2f}"]
            expected += [percent(found["single"]), percent(found["empty"])]
            short = 100 * (0.9 - found["coverage"])
            cell = conformal[name][len(expected) - 3]
            assert cell.note == (f"{short:.1f} short" if round(short, 1) > 0 else "")
        assert texts(conformal[name])[1:] == expected
    for name, row in zip(
        ("msp", "energy", "knn"), rows_of(unknown_table(run)).values(), strict=True
    ):
        found = parts["unknown"]["detectors"][name]
        assert texts(row)[1:] == [percent(found["auroc"]), percent(found["fpr95"])]


def test_uncertainty_says_what_is_not_known(run: Run) -> None:
    parts = stored(run, "uncertainty")
    parts["abstention"]["evals"]["test"] = {"coverage": 0.0, "accuracy": None}
    parts["conformal"]["global"]["evals"]["test"] |= {"coverage": 1.0, "size": 4.0}
    found = replace(run, uncertainty=parts)
    silent = rows_of(abstention_table(found))["test"]
    assert texts(silent)[1:3] == ["0.0 %", "n/a"]
    assert silent[2].note == "nothing is answered"
    every, second, *_ = rows_of(conformal_table(found)).values()
    assert every[2].note == "all: says nothing"
    assert (every[0].note, second[0].note) == (
        "like the held-out images",
        "shift: nothing is promised",
    )
    assert "1 of 4 classes" in (uncovered_words(found) or "")
    parts["conformal"]["per_class"]["uncovered"] = []
    assert uncovered_words(found) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.7, "too sure"), (0.6, "not sure enough"), (1.0, "left as they are"), (None, "is n/a")],
)
def test_temperature_in_words(run: Run, value: float | None, words: str) -> None:
    assert words in temperature_words(changed(run, "uncertainty", temperature=value))


def test_risk_coverage_draws_the_stored_curves_and_thresholds(run: Run) -> None:
    parts = stored(run, "uncertainty")
    (axes,) = picture(risk_coverage(run)).figure.axes
    assert {text.get_text() for text in axes.texts} == set(parts["risk_coverage"])
    lines = [line for line in axes.lines if line.get_marker() == "None"]
    marks = [line for line in axes.lines if line.get_marker() == "D"]
    for line, mark, name in zip(lines, marks, parts["risk_coverage"], strict=True):
        curve, answered = parts["risk_coverage"][name], parts["abstention"]["evals"][name]
        assert [list(data) for data in line.get_data()] == [curve["coverage"], curve["risk"]]
        place = [data[0] for data in mark.get_data()]
        assert place == pytest.approx([answered["coverage"], 1 - answered["accuracy"]])


@pytest.mark.usefixtures("run")
def test_risk_coverage_names_the_test_set_and_natural_shifts_first(tmp_path: Path) -> None:
    many = read_run(make_run(tmp_path / "run", 2, 11))
    (axes,) = picture(risk_coverage(many)).figure.axes
    named = {text.get_text() for text in axes.texts}
    assert len(named) == 6
    assert "test" in named
    assert all(name == "test" or name.startswith("domain_") for name in named)
    assert axes.lines[0].get_label() == "6 other evals"


def test_masked_evals_say_so(run: Run) -> None:
    scores = stored(run, "scores")
    scores["data"]["evals"]["domain_0"]["classes"] = {"present": 3, "of": 4}
    rows = {row[0].text: row for row in accuracy_table(scores).rows}
    assert rows["domain_0"][0].note == "natural shift, 3 of 4 classes"
    assert rows["test"][0].note == "in-distribution test"


def all_parts(run: Run) -> list[Block]:
    return [*alpha_part(run), *robustness_part(run), *uncertainty_part(run)]


def shown(blocks: list[Block]) -> str:
    """All words of some blocks."""
    said = []
    for each in blocks:
        if isinstance(each, Table):
            said += [each.caption, *each.header, *(c.text for row in each.rows for c in row)]
        elif isinstance(each, Picture):
            said += [each.alt, each.caption, each.read]
        else:
            said.append(each.words if isinstance(each, Text) else each.reason)
    return "\n".join(said)


def test_whole_run_has_no_absent_part(run: Run) -> None:
    found = all_parts(run)
    assert not [each for each in found if isinstance(each, Absent)]
    assert all(len(each.read) > 40 for each in found if isinstance(each, Picture))


@pytest.mark.usefixtures("run")
def test_run_from_before_these_files_says_why(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", 3, 4)
    (folder / "robustness.json").unlink()
    (folder / "uncertainty.json").write_text("[]", encoding="utf-8")
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    del scores["guard"]
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    reasons = [each.reason for each in all_parts(read_run(folder)) if isinstance(each, Absent)]
    assert [reason.split(":")[0] for reason in reasons[-3:]] == [
        "scores.json holds no guard",
        "robustness.json is absent",
        "uncertainty.json cannot be read",
    ]


@pytest.mark.parametrize(
    ("robustness", "uncertainty"),
    [
        ({}, {}),
        (
            {"shifts": {}, "corruption_error": {}, "flips": {}, "retention": {}, "groups": {}},
            {"ece": {}, "risk_coverage": {}, "abstention": {}, "conformal": {}, "unknown": None},
        ),
        (
            {
                "shifts": {"a": {"fit": None, "reason": "no model is left", "models": {}}},
                "flips": {"a": None},
                "groups": {"a": {"light": {"rows": []}}},
                "retention": {},
            },
            {"risk_coverage": {"a": {"coverage": [], "risk": []}}, "unknown": {"detectors": {}}},
        ),
    ],
)
def test_empty_parts_have_a_reason_and_no_made_up_zero(
    run: Run, robustness: dict[str, Any], uncertainty: dict[str, Any]
) -> None:
    empty = replace(run, robustness=robustness, uncertainty=uncertainty)
    found = [*robustness_part(empty)[2:], *uncertainty_part(empty)]
    reasons = {each.title: each.reason for each in found if isinstance(each, Absent)}
    titles = ("Effective robustness", "Corruption error", "Predictions gained and lost")
    for title in (*titles, "Forgetting curve", "Groups", "Conformal sets", "Unknown images"):
        assert len(reasons[title]) > 10
    said = shown(found)
    assert "0.0 %" not in said
    assert "0.000" not in said
    assert "None" not in said


@given(
    places=st.lists(st.floats(-10, 10), min_size=1, max_size=8),
    gap=st.floats(0.01, 3.0),
)
def test_labels_are_spread_by_least_squares(places: list[float], gap: float) -> None:
    moved = np.array(spread(places, gap))
    order = np.argsort(places, kind="stable")
    ranks = np.arange(len(places))
    flat = np.array(places)[order] - gap * ranks
    fitted = IsotonicRegression().fit_transform(ranks, flat) + gap * ranks
    assert moved[order] == pytest.approx(fitted, abs=1e-6)
    assert np.all(np.diff(moved[order]) >= gap - 1e-9)
