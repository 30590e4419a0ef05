"""The comment of a comparison for a pull request: verdict, a table, the worst flips by name."""

import re
from collections.abc import Mapping
from typing import Any

from adapt.report.comparison.page import value_words
from adapt.report.comparison.tables import cell_text, cost_lines, sets_table
from adapt.report.comparison.verdict import headline, limits_sentence, main_set, tone_of, verdict
from adapt.report.record.words import percent
from adapt.report.templating import environment

WORST = 10
OUTCOMES = {True: "failed ❌", False: "passed ✅"}
MARKS = {"better": "✅", "unclear": "➖", "worse": "❌"}


def render_comment(content: Mapping[str, Any]) -> str:
    """The text of the comment.

    Args:
        content: `diff.json`.
    """
    own = main_set(content)
    limits = content["limits"]
    failed = any(limit["failed"] for limit in limits)
    tone = tone_of(own["accuracy"])
    mark = MARKS["worse" if failed else tone]
    table = sets_table(content)
    broken = [flip for flip in own["flips"] if flip["kind"] == "broken"]
    text = (
        environment()
        .get_template("diff.md.j2")
        .render(
            mark=mark,
            title=_title(content),
            verdict=[*_models(content), *verdict(content)],
            leaks=content["leaks"],
            header=table.header,
            rows=[[cell_text(cell) for cell in row] for row in table.rows],
            limits=[
                [limit["limit"], value_words(limit), OUTCOMES[bool(limit["failed"])]]
                for limit in limits
            ],
            broken=[
                [flip["path"], flip["true"], _said(flip["a"]), _said(flip["b"])]
                for flip in broken[:WORST]
            ],
            count=own["accuracy"]["broken"],
            costs=cost_lines(content),
        )
    )
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", text)).lstrip("\n")


def _title(content: Mapping[str, Any]) -> str:
    limits = limits_sentence(content)
    words = headline(content)
    return f"{words}; {limits}" if limits else words


def _models(content: Mapping[str, Any]) -> list[str]:
    return [f"A: {content['a']['name']}, B: {content['b']['name']}."]


def _said(answer: Mapping[str, Any]) -> str:
    return f"{answer['label']} {percent(answer['confidence'])}"
