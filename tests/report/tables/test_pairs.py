"""Tables of a run on pairs hold the stored numbers."""

from pathlib import Path

from adapt.report.record.read import RunRecord
from adapt.report.tables.pairs import (
    class_sets_table,
    curve_table,
    few_words,
    pairs_count_table,
    recall_ladder,
    retrieval_tables,
)
from tests.helpers.report_fixture import rows_of, texts
from tests.report.record.test_pairs import entry, pair_table


def test_tables() -> None:
    point = {"alpha": 0.5, "pairs": {"accuracy": 0.11, "nll": 3.2}, "test": entry(0.55)}
    curve = {"points": [point, {"alpha": 1.0, "pairs": {"accuracy": 0.1, "nll": 3.5}}],
             "chosen": 0.5}  # fmt: skip
    run = RunRecord(Path("run"), pair_table(), curve=curve)
    ladder = rows_of(recall_ladder(run))
    assert list(ladder) == ["start", "mixed model (shipped)"]
    assert texts(ladder["mixed model (shipped)"])[1:] == ["55.0 %", "60.0 %"]
    assert ladder["mixed model (shipped)"][1].change == "▲ +30.0"
    on_test, on_val = retrieval_tables(run)
    assert on_test.caption == "Retrieval on test: 50 images, 90 captions"
    assert "val" in on_val.caption
    assert texts(rows_of(on_test)["start"])[1:5] == ["6.2 %", "12.5 %", "25.0 %", "7.0"]
    assert texts(rows_of(on_test)["chance"])[1:4] == ["2.0 %", "10.0 %", "20.0 %"]
    assert len({len(row) for row in on_test.rows} | {len(on_test.header)}) == 1
    rows = rows_of(curve_table(run))
    assert texts(rows["0.5 (shipped)"]) == ["0.5 (shipped)", "11.0 %", "3.200", "55.0 %"]
    assert texts(rows["1"])[-1] == ""
    bare = RunRecord(Path("run"), pair_table(), curve={"points": curve["points"][1:]})
    table = curve_table(bare)
    assert table is not None
    assert table.header == ["alpha", "recall at 1", "loss"], "no eval was scored along the line"
    classes = rows_of(class_sets_table(run))
    assert texts(classes["mixed model (shipped)"])[1] == "45.0 %"
    assert texts(rows_of(pairs_count_table(run))["train"]) == ["train", "900", "4500"]
    words = few_words(run)
    assert words is not None
    assert "very few" in words.words
    assert curve_table(RunRecord(Path("run"), pair_table())) is None
