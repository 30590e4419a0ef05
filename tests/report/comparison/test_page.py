"""The page of a comparison: flips in order, limits, and nothing that a name could do."""

import re
from typing import Any

import pytest

from adapt.data.sources.image_list import ImageList
from adapt.report.comparison.page import MOST, render_page, shown_flips
from tests.helpers.paired import compared, many

HOSTILE = '<script>alert("1")</script>'


@pytest.fixture
def content(toy_test: ImageList) -> dict[str, Any]:
    """A comparison with a shift."""
    return compared(many(toy_test), "fog")


def test_flips_are_shown_most_confident_first(content: dict[str, Any]) -> None:
    shown = shown_flips(content)
    broken = [flip for name, flip in shown if name == "test" and flip["kind"] == "broken"]
    every = [flip for flip in content["sets"]["test"]["flips"] if flip["kind"] == "broken"]
    assert len(broken) == min(MOST, len(every))
    sure = [flip["b"]["confidence"] for flip in broken]
    assert sure == sorted((flip["b"]["confidence"] for flip in every), reverse=True)[: len(sure)]
    pictures = {
        f"test/{flip['row']}": f"data:image/jpeg;base64,{n}" for n, flip in enumerate(broken)
    }
    page = render_page(content, pictures)
    places = [page.index(f'src="{uri}"') for uri in pictures.values()]
    assert places == sorted(places)
    assert page.index('id="broken"') < places[0] < places[-1] < page.index('id="fixed"')
    assert page.count("<img") == len(pictures)
    assert "the file cannot be read here, or has changed" in page


def test_limits_and_notes_are_shown(content: dict[str, Any]) -> None:
    limit = {"limit": "broken > 1%", "value": 1.5, "unit": "%", "failed": True}
    passed = {"limit": "latency > 10%", "value": 4.0, "unit": "change", "failed": False}
    content.update(limits=[limit, passed], notes=["compared on test"], only_in_b=["dog"])
    content["sets"]["fog"].update(unreadable=["a.png: empty file"], left_out=3)
    page = render_page(content, {})
    assert "1 of 2 limits failed" in page
    assert "<code>broken &gt; 1%</code>" in page
    assert "1.5 %" in page
    assert page.count("badge failed") == page.count("badge passed") == 1
    assert "Only B knows dog." in page
    assert "a.png: empty file" in page
    assert "3 images of classes that only one model knows" in page


def test_no_name_runs(content: dict[str, Any]) -> None:
    for flip in content["sets"]["test"]["flips"]:
        flip.update(path=HOSTILE, true=HOSTILE)
        flip["a"]["label"] = flip["b"]["label"] = HOSTILE
    content["a"].update(name=HOSTILE, about=HOSTILE)
    content.update(data=HOSTILE, only_in_a=[HOSTILE], notes=[HOSTILE])
    page = render_page(content, {})
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
