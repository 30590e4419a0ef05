"""The page of `adapt monitor`: its sentences, its tables, and nothing that a name could do."""

import re

import pytest

from adapt.report.explore.monitor import (
    classes_table,
    drift_sentence,
    estimators_table,
    headline,
    label_sentence,
    line_sentence,
    render_page,
    sentences,
    unknown_sentence,
)
from tests.helpers.monitor_content import monitor_content


@pytest.mark.usefixtures("svg_alone")
def test_the_page_holds_what_was_found() -> None:
    page = render_page(monitor_content())
    assert "About 82.0 % of the answers are right there" in page
    assert "<b>Alarm:</b> the estimated accuracy is too low" in page
    assert page.count("<svg") == 4
    assert "2 images are left out: empty file." in page
    assert "photos &lt;b&gt;" in page
    assert "photos <b>" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)


def test_sentences() -> None:
    content = monitor_content()
    assert headline(content).startswith("about 82.0 % of the answers are right there, 74.0")
    said = " ".join(sentences(content))
    assert "They are of another distribution than the held-out images (p = 0.001" in said
    assert (
        "30.0 % of the images would have to change their class. More or less frequent than" in said
    )
    assert "12.5 % of the images look like none of the classes" in said
    assert "20.0 % of the images are answered with a confidence below 50.0 %" in said
    assert "The best alpha there is estimated to be 0 (86.0 %; 82.0 % at 0.5" in said
    assert label_sentence(content).startswith("To know the accuracy to +- 5 points, label the 180")


def test_what_is_not_known_is_said() -> None:
    nothing = {"p": None, "reason": "no features", "drifted": None}
    assert drift_sentence(nothing) == (
        "Whether they are of another distribution was not tested: no features."
    )
    assert "was not looked at: none" in unknown_sentence({"share": None, "reason": "none"})
    content = monitor_content(along={"shipped": 0.5, "best": None, "points": []})
    content["accuracy"]["reason"] = "an export has no line to its start"
    assert "were not asked: an export has no line" in line_sentence(content)
    assert estimators_table(content).legend == "- an export has no line to its start."
    mix = content["mix"] | {"changed": []}
    assert "No class is clearly more or less frequent" in " ".join(
        sentences(content | {"mix": mix})
    )
    along = {"shipped": 0.5, "best": 0.5, "points": [{"alpha": 0.5, "estimate": 0.8}]}
    assert "No other alpha is estimated to be clearly better" in line_sentence(
        content | {"along": along}
    )


def test_tables() -> None:
    content = monitor_content()
    rows = classes_table(content).rows
    assert [cell.text for cell in rows[0]] == ["cat", "50.0 %", "80.0 %", "80.0 %", "80.0 %"]
    own = estimators_table(content).rows
    assert [row[1].text for row in own] == ["80.0 %", "82.0 %", "-"]
    assert [row[0].strong for row in own] == [False, True, False]
