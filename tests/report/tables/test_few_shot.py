"""Tables of few-shot runs where classes run out of images."""

import statistics
from dataclasses import replace

from adapt.report.record.read import RunRecord
from adapt.report.tables.cells import Text
from adapt.report.tables.few_shot import outlook_words, shots_table
from tests.helpers.report_fixture import rows_of, with_protocol


def test_fits_that_differ_on_the_same_images_are_no_interval(run: RunRecord) -> None:
    values = {1: [0.4, 0.5, 0.6, 0.5], 4: [0.6, 0.7, 0.7, 0.6], 16: [0.62, 0.8, 0.7, 0.71]}
    few = with_protocol(run, [9, 8, 9], values)
    row = rows_of(shots_table(few))["16"]
    assert row[0].note == "fewer in all 3 classes; the same 26 images in every draw"
    assert row[1].text == f"{100 * statistics.fmean(values[16]):.1f} %"
    assert row[1].note == "fits 62.0 to 80.0"
    table = shots_table(few)
    assert table is not None
    assert "Fits: the lowest and the highest" in table.legend


def test_the_outlook_says_up_to_where_classes_are_unequal(run: RunRecord) -> None:
    ranking = {
        "curve": {"1": 0.5, "8": 0.7, "26": 0.8}, "expected": {"52": 0.84, "104": 0.87},
        "recall": {"class 0": 0.7},
    }  # fmt: skip

    def words(counts: list[int], known: bool = True) -> str:
        few = replace(with_protocol(run, counts, {}, known), ranking=ranking)
        outlook = outlook_words(few)
        assert isinstance(outlook, Text)
        return outlook.words

    assert words([39, 39, 39]).startswith("With 26 images per class, held-out accuracy is 80.0 %")
    assert ", 52 would give 84.0 % (+4.0)" in words([39, 39, 39])
    for unequal in (words([39, 12, 5]), words([39, 39, 39], known=False)):
        assert unequal.startswith("With up to 26 images per class, held-out accuracy is 80.0 %")
        assert "up to 104 would give 87.0 % (+7.0)" in unequal
