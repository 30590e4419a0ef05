"""What axe-core says, gathered over the views of a page."""

from typing import Any, cast

from tests.helpers.browser import Page
from tools.accessibility import VIEWS, address_of, violations


class Answers:
    """A page on which axe-core finds one rule broken in dark views, at one place or two."""

    def __init__(self) -> None:
        self.dark = False
        self.scripts: list[str] = []

    def resize(self, width: int, dark: bool) -> None:
        self.dark = dark

    def run(self, script: str) -> Any:
        self.scripts.append(script)
        nodes = [{"target": ["p", "b"], "failureSummary": "too \n pale"}]
        found = {"id": "color-contrast", "impact": "serious", "help": "Contrast", "nodes": nodes}
        return {"violations": [found] if self.dark else []}


def test_a_rule_is_listed_once_with_its_views_and_places() -> None:
    page = Answers()
    (broken,) = violations(cast("Page", page), "AXE")
    assert (broken.rule, broken.impact, broken.what) == ("color-contrast", "serious", "Contrast")
    assert broken.views == [view for view, _, dark, _ in VIEWS if dark]
    assert broken.places == {"p b": "too pale"}
    assert page.scripts[0] == "AXE; true"
    assert sum("part.open = true" in script for script in page.scripts) == len(VIEWS) - 1


def test_addresses_of_files_and_servers() -> None:
    assert address_of("http://127.0.0.1:8000/") == "http://127.0.0.1:8000/"
    assert address_of("/a b.html") == "file:///a%20b.html"
