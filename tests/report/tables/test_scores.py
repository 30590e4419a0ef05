"""Tables of scores: the stored numbers, cell by cell."""

from adapt.report.record.read import RunRecord
from adapt.report.tables.scores import accuracy_table, calibration_table, split_table
from tests.helpers.report_fixture import make_scores, record, stored


def test_masked_evals_say_so(run: RunRecord) -> None:
    scores = stored(run, "scores")
    scores["data"]["evals"]["domain_0"]["classes"] = {"present": 3, "of": 4}
    rows = {row[0].text: row for row in accuracy_table(record(scores)).rows}
    assert rows["domain_0"][0].note == "natural shift, 3 of 4 classes"
    assert rows["test"][0].note == "in-distribution test"


def test_accuracy_table_holds_the_stored_numbers() -> None:
    scores = make_scores(shifts=3)
    table = accuracy_table(record(scores))
    rows = {row[0].text: row for row in table.rows}
    assert table.header[-1] == "mixed model (shipped)"
    for name, results in scores["models"]["ensemble"].items():
        cell, change = rows[name][-1], results["difference"]["accuracy"]["difference"]
        assert cell.text == f"{100 * results['accuracy']:.1f} %"
        low, high = results["accuracy_ci"]
        assert cell.note == f"{100 * low:.1f} to {100 * high:.1f}"
        assert cell.change.split()[1] == f"{100 * change:+.1f}"
        assert rows[name][1].text == str(results["n"])
    assert rows["val"][0].note == "used for selection, not a test"


def test_calibration_table_holds_the_stored_numbers() -> None:
    scores = make_scores(shifts=1)
    row = calibration_table(record(scores)).rows[0]
    shown = [cell.text for cell in row[1:]]
    models = ("zero_shot", "adapted", "ensemble")
    assert shown == [
        f"{scores['models'][model]['test'][key]:.3f}"
        for key in ("ece", "nll", "brier")
        for model in models
    ]


def test_data_card_holds_the_stored_counts() -> None:
    scores = make_scores()
    rows = {
        row[0].text: [cell.text for cell in row[2:]] for row in split_table(record(scores)).rows
    }
    assert rows["train"] == ["48", "3", "16", "18"]
    assert rows["gaussian_blur_1"] == ["400", "n/a", "n/a", "n/a"]
