"""What is shown of a comparison, whether images have one label or several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapt.report.comparison import several_labels
from adapt.report.comparison.tables import confidence_table, parts_table, sets_table
from adapt.report.comparison.verdict import headline, main_set, p_words, tone_of, verdict
from adapt.report.record.values import interval
from adapt.report.record.words import signed_span
from adapt.report.tables.cells import Table

Content = Mapping[str, Any]


@dataclass(frozen=True)
class ShownComparison:
    """Words and tables of a comparison."""

    measure: str
    """What the models are compared by: `accuracy` or `mAP`."""
    main: Content
    """Of the test set: `a`, `b` and `difference`."""
    tone: str
    """`better`, `worse` or `unclear`."""
    doubt: str
    """How sure the difference is: its interval, and p where there is a test."""
    headline: str
    verdict: list[str]
    sets: Table
    classes: Table
    groups: list[Table]
    confidence: Table | None

    @classmethod
    def of(cls, content: Content) -> "ShownComparison":
        """What is shown of the content of `diff.json`."""
        own = main_set(content)
        if content.get("measure") == several_labels.MEASURE:
            change = own[several_labels.MEASURE]
            return cls(
                several_labels.MEASURE,
                change,
                several_labels.tone(change),
                signed_span(interval(change["ci"])),
                several_labels.headline(content),
                several_labels.verdict(content),
                several_labels.sets_table(content),
                several_labels.classes_table(content),
                [],
                None,
            )
        change, main = own["accuracy"], content["main"]
        return cls(
            "accuracy",
            change,
            tone_of(change),
            f"{signed_span(interval(change['ci']))}, {p_words(change['p'])}",
            headline(content),
            verdict(content),
            sets_table(content),
            parts_table(f"By class on {main}", "class", own["per_class"]),
            [
                parts_table(f"By {column} on {main}", column, rows)
                for column, rows in own["groups"].items()
            ],
            confidence_table(content),
        )


def counts_of(own: Content) -> Content:
    """How many images of a set there are, and how many B `fixed` and `broken`."""
    counts: Content = own["accuracy"] if "accuracy" in own else own["images"]
    return counts
