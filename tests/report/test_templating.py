"""Text stays text in both pages."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from adapt.report import templating
from adapt.report.templating import environment, marked, plain, ticks


@given(st.text())
def test_no_text_opens_a_tag(text: str) -> None:
    for made in (ticks(text), plain(text)):
        assert set(made.replace("<code>", "").replace("</code>", "")) & set("<>") == set()


def test_a_lone_backtick_is_a_backtick() -> None:
    assert ticks("a ` b") == "a ` b"
    assert ticks("`a` and `<b>`") == "<code>a</code> and <code>&lt;b&gt;</code>"


def test_a_table_cell_is_one_line_without_bars() -> None:
    assert plain("a\n|b|") == "a \\|b\\|"


def test_a_template_that_names_nothing_known_fails() -> None:
    with pytest.raises(UndefinedError):
        environment().from_string("{{ unknown }}").render()
    assert environment().from_string("{{ text }}").render(text="<i>") == "&lt;i&gt;"


def test_code_of_a_sentence_stays_code_in_markdown() -> None:
    assert marked("add `evals.NAME=FOLDER`, or a_b") == "add `evals.NAME=FOLDER`, or a\\_b"
    assert marked("`a_b` and `<c>`\n\nd") == "`a_b` and `<c>` d"
    assert marked("a ` b") == "a \\` b"
    assert marked("a `` b") == plain("a `` b")
    assert marked("`a` `b`") == "`a` `b`"


def test_a_row_that_stands_out_is_aligned_with_the_others() -> None:
    sheet = (Path(templating.__file__).parent / "templates" / "report.css").read_text("utf-8")
    rules = re.findall(r"([^{}]*strong[^{}]*){([^}]*)}", sheet)
    assert any("background" in body for selector, body in rules if "tr.strong" in selector)
    assert not [selector for selector, body in rules if "padding" in body or "margin" in body]
