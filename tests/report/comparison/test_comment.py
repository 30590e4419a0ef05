"""The comment for a pull request: verdict first, short, and no name can break it."""

from typing import Any

import pytest

from adapt.data.sources.image_list import ImageList
from adapt.report.comparison.comment import WORST, render_comment
from tests.helpers.paired import compared, many


@pytest.fixture
def content(toy_test: ImageList) -> dict[str, Any]:
    """A comparison with a shift."""
    return compared(many(toy_test), "fog")


def test_the_verdict_is_the_first_line(content: dict[str, Any]) -> None:
    assert render_comment(content).splitlines()[0] == "### ✅ B is better than A"
    content["limits"] = [{"limit": "broken > 1%", "value": 2.0, "unit": "%", "failed": True}]
    lines = render_comment(content).splitlines()
    assert lines[0] == "### ❌ B is better than A; 1 of 1 limit failed"
    assert "| broken &gt; 1% | 2 % | failed ❌ |" in lines
    content["sets"]["test"]["accuracy"]["p"] = 0.5
    content["limits"] = []
    assert render_comment(content).startswith("### ➖ No clear difference")


def test_the_worst_flips_are_named(content: dict[str, Any]) -> None:
    broken = [flip for flip in content["sets"]["test"]["flips"] if flip["kind"] == "broken"]
    text = render_comment(content)
    rows = [line for line in text.splitlines() if line.startswith(("| blue", "| green", "| red"))]
    assert len(rows) == min(WORST, len(broken))
    for flip, row in zip(broken, rows, strict=False):
        cells = [cell.strip().replace("\\", "") for cell in row.strip("|").split("|")]
        assert cells[:2] == [flip["path"], flip["true"]]
        assert cells[3].startswith(flip["b"]["label"])
    assert len(text.splitlines()) < 45


def test_no_name_breaks_the_comment(content: dict[str, Any]) -> None:
    content["sets"]["test"]["flips"][0].update(kind="broken", path="a|b\n# <b>`x`")
    content["a"]["name"] = "[link](http://x)"
    text = render_comment(content)
    assert "a\\|b # &lt;b&gt;\\`x\\`" in text
    assert "\\[link\\](http://x)" in text
    assert "<b>" not in text


def test_what_was_not_measured_is_said(content: dict[str, Any]) -> None:
    content.update(latency=None, no_latency="nothing was computed")
    text = render_comment(content)
    assert "- latency: not measured, nothing was computed" in text
    assert "- size on disk: 2.0 MB → 1.0 MB (-50 %)" in text
