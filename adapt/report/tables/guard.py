"""What the guard did on held-out images, in plain words; needs ``scores.json`` only."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.numbers import Scores, interval, points, shorten, size
from adapt.report.record.read import mapping, number
from adapt.report.tables.cells import (
    Cell,
    Table,
    count_text,
    difference_cell,
    in_words,
    signed_span,
)

NO_GUARD = "scores.json holds no guard: the run is older than it, or nothing was held out"
CLASSES_NAMED = 5
_COMPARED = {
    "zero_shot": "shipped minus zero-shot",
    "linear_probe": "shipped minus linear probe",
}


def guard_of(scores: Scores) -> Mapping[str, Any]:
    """What the guard stored; empty for runs from before there was one."""
    return mapping(scores.get("guard"))


def stepped_back(scores: Scores) -> bool:
    """Whether the guard ships something else than what was chosen."""
    return guard_of(scores).get("outcome") in ("lowered", "fallback")


def guard_found(scores: Scores) -> list[str]:
    """What a user must know before the model is used: steps back, worse classes, a better probe."""
    found = [_sentence(scores)] if stepped_back(scores) else []
    return [*found, *_worse_classes(scores), *_better_probe(scores)]


def guard_said(scores: Scores) -> list[str]:
    """The guard's sentence where it kept what was chosen."""
    return [_sentence(scores)] if not stepped_back(scores) and guard_of(scores) else []


def guard_table(scores: Scores) -> Table | None:
    """The paired comparisons of the guard."""
    stored = guard_of(scores)
    against = mapping(stored.get("against"))
    entries = {label: mapping(against.get(name)) for name, label in _COMPARED.items()}
    entries["adapted alone (alpha 1) minus zero-shot"] = mapping(stored.get("adapted"))
    rows = [
        [
            Cell(label),
            difference_cell(number(entry.get("difference")), interval(entry.get("ci"))),
        ]
        for label, entry in entries.items()
        if number(entry.get("difference")) is not None
    ]
    legend = (
        f"Difference of accuracy in points and its 95 % interval, on the {_images(stored)} that "
        "alpha was chosen on. The guard lowers alpha until the shipped model is not below "
        "zero-shot there; it looks at no test set."
    )
    header = ["on held-out images", "difference"]
    return Table("What the guard compared", header, rows, legend=legend) if rows else None


def worse_classes_table(scores: Scores) -> Table | None:
    """The classes in which the shipped model is clearly below zero-shot on held-out images."""
    rows = [
        [
            Cell(str(each.get("class"))),
            Cell(count_text(each.get("n"))),
            difference_cell(number(each.get("difference")), interval(each.get("ci"))),
        ]
        for each in _classes(scores)
    ]
    legend = "The whole 95 % interval lies below zero; classes with few images are not tested."
    header = ["class", "held-out images", "change to zero-shot"]
    return Table("Classes that became worse", header, rows, legend=legend) if rows else None


def _sentence(scores: Scores) -> str:
    """The guard's own sentence, with the number behind it."""
    stored = guard_of(scores)
    reason = str(stored.get("reason") or "The guard stored no reason.")
    entry = mapping(mapping(stored.get("against")).get("zero_shot"))
    change, bounds = number(entry.get("difference")), interval(entry.get("ci"))
    if change is None or stored.get("outcome") == "fallback":
        return reason
    spread = f", 95 % interval {signed_span(bounds)}" if bounds else ""
    return f"{reason} Shipped minus zero-shot there: {points(change)} points{spread}{_on(stored)}."


def _worse_classes(scores: Scores) -> list[str]:
    found = [
        f"{shorten(str(each.get('class')), 40)} ({points(number(each.get('difference')))} points"
        f"{_on(each)})"
        for each in _classes(scores)
    ]
    if not found:
        return []
    many = "1 class" if len(found) == 1 else f"{len(found)} classes"
    return [
        f"In {many} the shipped model is clearly worse than zero-shot on held-out images: "
        f"{in_words(found, CLASSES_NAMED)}."
    ]


def _better_probe(scores: Scores) -> list[str]:
    stored = guard_of(scores)
    entry = mapping(mapping(stored.get("against")).get("linear_probe"))
    change, bounds = number(entry.get("difference")), interval(entry.get("ci"))
    if change is None or bounds is None or bounds[1] >= 0:
        return []
    lead = signed_span((-bounds[1], -bounds[0]))
    return [
        f"A linear probe on frozen features is clearly better than the shipped model on held-out "
        f"images: {size(change)} ahead, 95 % interval {lead}{_on(stored)}. Compare the two on "
        "the shifts before you ship this one."
    ]


def _classes(scores: Scores) -> list[Mapping[str, Any]]:
    return [mapping(each) for each in guard_of(scores).get("worse_classes") or []]


def _on(entry: Mapping[str, Any]) -> str:
    return "" if number(entry.get("n")) is None else f", {_images(entry)}"


def _images(entry: Mapping[str, Any]) -> str:
    count = number(entry.get("n"))
    return "held-out images" if count is None else f"{count:g} image{'' if count == 1 else 's'}"
