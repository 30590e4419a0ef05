"""The table of ensembles of outputs: what is shown is what the run stored."""

from adapt.report.record.read import RunRecord
from adapt.report.tables.references import references_table
from tests.helpers.report_fixture import changed, metrics, percent, rows_of, texts


def test_what_the_run_stored_is_shown(run: RunRecord) -> None:
    assert references_table(run) is None
    evals = list(run.scores["data"]["evals"])
    dawin = {
        name: {**metrics(0.5 + number / 100, 0.1), "weight": 0.2 + number / 10}
        for number, name in enumerate(evals)
    }
    with_references = changed(run, "scores", references={"dawin": dawin})
    rows = rows_of(references_table(with_references))
    shifts = evals[1:]
    mean = sum(dawin[name]["accuracy"] for name in shifts) / len(shifts)
    weight = sum(dawin[name]["weight"] for name in shifts) / len(shifts)
    assert texts(rows["DaWin"])[1:] == [
        "two models", percent(0.5), percent(mean), "0.20", f"{weight:.2f}",
    ]  # fmt: skip
    assert rows["DaWin"][2].change.endswith("+10.0")
    assert texts(rows["zero-shot"])[1] == texts(rows["adapted"])[1] == "one model"
    assert texts(rows["zero-shot"])[-2:] == ["0.00", "0.00"]
    assert texts(rows["adapted"])[-2:] == ["1.00", "1.00"]
    shipped = percent(run.scores["models"]["ensemble"][evals[0]]["accuracy"])
    assert texts(rows["mixed model"])[2] == shipped
    assert list(rows)[-1] == "DaWin", "references come last"
