"""Text stays text in both pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from adapt.report.templating import environment, plain, ticks


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
