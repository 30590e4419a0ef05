"""The comment of a comparison for a pull request: verdict, a table, the worst flips by name."""

import re
from collections.abc import Mapping
from typing import Any

from adapt.report.comparison.page import NONE, value_words
from adapt.report.comparison.shown import ShownComparison, counts_of
from adapt.report.comparison.tables import cell_text, cost_lines
from adapt.report.comparison.verdict import limits_sentence, main_set
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
    own, shown = main_set(content), ShownComparison.of(content)
    limits = content["limits"]
    failed = any(limit["failed"] for limit in limits)
    mark = MARKS["worse" if failed else shown.tone]
    table = shown.sets
    broken = [flip for flip in own["flips"] if flip["kind"] == "broken"]
    text = (
        environment()
        .get_template("diff.md.j2")
        .render(
            mark=mark,
            title=_title(content, shown),
            verdict=[*_models(content), *shown.verdict],
            leaks=content["leaks"],
            header=table.header,
            rows=[[cell_text(cell) for cell in row] for row in table.rows],
            limits=[
                [limit["limit"], value_words(limit), OUTCOMES[bool(limit["failed"])]]
                for limit in limits
            ],
            broken=[
                [flip["path"], flip["true"] or NONE, _said(flip["a"]), _said(flip["b"])]
                for flip in broken[:WORST]
            ],
            count=counts_of(own)["broken"],
            costs=cost_lines(content),
            first="of which B is most confident"
            if shown.measure == "accuracy"
            else "on which most labels changed",
        )
    )
    return re.sub(r"\n{3,}", "\n\n", re.sub(r" +\n", "\n", text)).lstrip("\n")


def _title(content: Mapping[str, Any], shown: ShownComparison) -> str:
    limits = limits_sentence(content)
    return f"{shown.headline}; {limits}" if limits else shown.headline


def _models(content: Mapping[str, Any]) -> list[str]:
    return [f"A: {content['a']['name']}, B: {content['b']['name']}."]


def _said(answer: Mapping[str, Any]) -> str:
    sure = f" {percent(answer['confidence'])}" if "confidence" in answer else ""
    return f"{answer['label'] or NONE}{sure}"
