"""What the page of an audit says."""

import copy
from typing import Any

import numpy as np
import pytest

from adapt.explore.audit.extra_classes import extra_rates
from adapt.explore.audit.measures import GradedAnswers, audit_columns
from adapt.explore.audit.settings import AuditSettings
from adapt.report.explore.audit import about_tests, headline, render_page, sentences


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """Group b is worse, most of all for bees; group c is small; zero-shot is bad in a."""
    targets = np.tile([0, 1], 105)
    values = ["a"] * 100 + ["b"] * 100 + ["c"] * 10
    right = np.ones(210, bool)
    right[101:180:2] = False
    before = right.copy()
    before[:60] = False
    answered = GradedAnswers(targets, ["ant", "bee"], {"model": right, "start": before})
    return {
        "adapt": "1",
        "model": {"name": "<photos>", "about": "tiny"},
        "no_start": "",
        "set": "test",
        "images": 210,
        "classes": 2,
        "left_out": 3,
        "unreadable": ["x.png: empty"],
        "min_images": 20,
        "level": 0.05,
        "correction": "bh",
        "notes": ["LEAK: 3 of 210 images were in train"],
        "limits": [{"limit": "gap > 10", "value": 40.0, "unit": "points", "failed": True}],
        "extra": None,
    } | audit_columns(answered, {"site": values, "all": ["x"] * 210}, 20, 0.05, "bh")


def test_sentences_name_what_is_clear_and_what_is_small(content: dict[str, Any]) -> None:
    said = sentences("site", content)
    assert said[0].startswith("The worst group is b: 60.0 % (50.2 to 69.1) of 100 images.")
    assert "40.0 points apart" in said[0]
    assert said[1] == (
        "Clearly below the other images: b (-40.0 points); clearly above the other images: a "
        "(+36.4 points)."
    )
    assert said[2] == "Recognised clearly less often than elsewhere: bee in b (-80.0 points)."
    assert said[3] == "It is clearly better than zero-shot in a (+60.0 points)."
    assert said[4] == "Too few images to say (fewer than 20): c (10)."


def test_a_single_group(content: dict[str, Any]) -> None:
    said = sentences("all", content)
    assert said[0].endswith("No other group is large enough to be compared with it.")
    assert said[1] == "No group was tested against the others."
    assert said[2] == "No class has enough images in two groups to be compared between them."


def test_nothing_clear_says_how_many_tests(content: dict[str, Any]) -> None:
    same = copy.deepcopy(content)
    for row in [*same["columns"]["site"]["groups"], *same["columns"]["site"]["recalls"]]:
        for kind in ("gap", "change"):
            if row.get(kind):
                row[kind]["clear"] = False
    said = sentences("site", same)
    assert (
        "No group differs clearly from the other images (2 tests, Benjamini-Hochberg at 5 %)"
        in (said[1])
    )
    assert said[3] == "In no group is the model clearly better or worse than zero-shot."
    few = copy.deepcopy(content)
    for told in few["columns"].values():
        told["worst"] = None
    assert headline(few).endswith("no group is large enough to be judged")


def test_further_classes(content: dict[str, Any]) -> None:
    """More is worse here: the arrow up has the colour of a loss."""
    more = copy.deepcopy(content)
    groups = ["a"] * 100 + ["b"] * 100 + ["c"] * 10
    answers = ["word"] * 40 + ["ant"] * 170
    rows, more["extra"] = extra_rates(
        {"model": answers}, {"site": groups, "all": ["x"] * 210}, ["word"], AuditSettings()
    )
    for column, own in rows.items():
        more["columns"][column]["extra"] = own
    assert sentences("site", more)[-2] == (
        "Answered clearly more often with a further class: word in a (40.0 %, +40.0 points) and "
        "(any) in a (40.0 %, +40.0 points)."
    )
    assert "No group is answered clearly more often" in sentences("all", more)[-1]
    page = render_page(more)
    assert "Further classes by site" in page
    assert '<b class="worse">▲</b>' in page


def test_the_page(content: dict[str, Any]) -> None:
    assert headline(content) == (
        "81.0 % of the answers are right, and 60.0 % (50.2 to 69.1) in the worst group: b (site)"
    )
    page = render_page(content)
    assert "&lt;photos&gt;" in page
    assert "bee in b (site)" in page
    assert "Limit failed:" in page
    assert "LEAK: 3 of 210" in page
    assert "x.png: empty" in page
    assert "▼" in page
    holm = about_tests(content | {"correction": "holm"})
    assert "a single one of them is false" in holm
