"""Rules of accessibility that pages break, found by axe-core in a headless Chromium.

    npm install axe-core && python tools/accessibility.py node_modules/axe-core/axe.min.js PAGE...

A page is a file or an address. Each is looked at as wide as a desktop and as a phone, in light and
dark; everything that folds is closed once and then open. Exit code 1 where a rule is broken.
axe-core is not part of this project: the reader installs it.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers.browser import Page, browser

VIEWS = (
    ("desktop, closed", 1280, False, False),
    ("desktop", 1280, False, True),
    ("desktop, dark", 1280, True, True),
    ("phone", 390, False, True),
    ("phone, dark", 390, True, True),
)
"""Name, width, whether dark, and whether everything that folds is open."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PATIENCE = 300.0
"""Seconds that axe-core may take for one view."""
SHOWN = 4
"""Places of a violation that are printed."""


@dataclass
class Violation:
    """One rule that a page breaks."""

    rule: str
    impact: str
    what: str
    views: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    """By selector, what axe-core says of it."""


def violations(page: Page, axe: str) -> list[Violation]:
    """Every rule that the page breaks, with the views in which it does.

    Args:
        page: It is loaded.
        axe: The text of `axe.min.js`.
    """
    page.run(f"{axe}; true")
    broken: dict[str, Violation] = {}
    for view, width, dark, opened in VIEWS:
        page.resize(width, dark)
        state = "true" if opened else "false"
        page.run(f"document.querySelectorAll('details').forEach(part => {{ part.open = {state} }})")
        given = page.run(f"axe.run({{runOnly: {json.dumps(RULES)}, resultTypes: ['violations']}})")
        for found in given["violations"]:
            own = Violation(found["id"], str(found["impact"]), found["help"])
            _add(broken.setdefault(own.rule, own), view, found)
    return list(broken.values())


def _add(violation: Violation, view: str, found: dict[str, Any]) -> None:
    violation.views.append(view)
    for node in found["nodes"]:
        selector = " ".join(map(str, node["target"]))
        violation.places[selector] = " ".join(node["failureSummary"].split())


def address_of(given: str) -> str:
    """The address of a page.

    >>> address_of("http://127.0.0.1:8000/"), address_of("/a b.html")
    ('http://127.0.0.1:8000/', 'file:///a%20b.html')
    """
    return given if "://" in given else Path(given).resolve().as_uri()


def main() -> int:
    """Look at every page, print what is wrong, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("axe", type=Path, help="axe.min.js of axe-core")
    parser.add_argument("pages", nargs="+", help="HTML files or addresses")
    given = parser.parse_args()
    axe, wrong = given.axe.read_text(encoding="utf-8"), False
    for name in given.pages:
        with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as page:
            page.patience = PATIENCE
            page.open(address_of(name))
            broken = violations(page, axe)
        print(f"{name}: {len(broken)} violations in {len(VIEWS)} views", flush=True)
        for one in broken:
            print(f"  {one.rule} ({one.impact}): {one.what}; in {'; '.join(one.views)}")
            for selector, words in list(one.places.items())[:SHOWN]:
                print(f"    {selector}: {words}")
        wrong = wrong or bool(broken)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
