"""The words and tables of a comparison, of either kind."""

from adapt.data.sources.image_list import ImageList
from adapt.report.comparison.shown import ShownComparison, counts_of
from adapt.report.comparison.tables import sets_table
from adapt.report.comparison.verdict import headline, verdict
from tests.helpers.paired import compared, many


def test_of_one_label(toy_test: ImageList) -> None:
    content = compared(many(toy_test), "fog")
    shown, own = ShownComparison.of(content), content["sets"]["test"]
    assert (shown.measure, shown.headline) == ("accuracy", headline(content))
    assert shown.verdict == verdict(content)
    assert shown.sets == sets_table(content)
    assert shown.confidence is not None
    assert counts_of(own) == own["accuracy"]
    assert counts_of({"images": {"n": 3}}) == {"n": 3}
