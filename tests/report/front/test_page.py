"""The first page as a whole, and that it is one page."""

from pathlib import Path

import pytest

from adapt.report import write_report
from adapt.report.front.page import front_page
from adapt.report.record.read import RunRecord
from tests.helpers.browser import A4, CHROMIUM, LETTER, browser
from tests.helpers.report_fixture import make_guard, make_run

MOST_PAGES = 6


def test_facts_are_test_shifts_worst_class_and_changed_images(run: RunRecord) -> None:
    page = front_page(run)
    assert [fact.label for fact in page.facts] == [
        "accuracy on test",
        "mean of 5 shifts",
        "worst class",
        "gained and lost",
    ]
    lowest = min(
        float(row["recall"]) for row in run.per_class or [] if row["model"] == run.scores.shipped
    )
    assert page.facts[2].value == f"{100 * lowest:.1f} %"
    flips = (run.robustness or {})["flips"]["test"]
    gained, lost = (round(flips["n"] * flips[key]) for key in ("gained", "lost"))
    assert page.facts[3].value == f"+{gained} \u2212{lost}"
    assert page.facts[3].note.startswith("of 400 images of test; on the shifts +")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(("classes", "shifts"), [(4, 5), (1000, 20)])
def test_a_report_is_six_pages_at_most_and_the_first_says_all(
    tmp_path: Path, classes: int, shifts: int
) -> None:
    worse = [{"class": f"class {i:03d}", "n": 30, "difference": -0.2} for i in range(5)]
    leak = {"leaked": 3, "images": 400, "accuracy": 0.8, "leak_free_accuracy": 0.79}
    folder = make_run(
        tmp_path / "run", classes, shifts, leak_free={"test": leak}, skipped_steps=3,
        guard=make_guard("lowered", worse_classes=worse),
    )  # fmt: skip
    (report, *_) = write_report(folder, ["html"])
    with browser(tmp_path / "profile") as view:
        view.open(report.as_uri())
        for paper in (A4, LETTER):
            pages = view.printed(paper).count(b"/Type /Page\n")
            assert 1 < pages <= MOST_PAGES
            view.paper(paper)
            height = view.run("document.querySelector('.front').getBoundingClientRect().bottom")
            assert height < view.run("innerHeight"), "the first page is one page"
        assert not view.errors
