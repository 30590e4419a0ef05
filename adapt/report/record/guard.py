"""What the guard did on held-out images, in plain words; needs `scores.json` only."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.scores import ScoreTable
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import enumerated, points, shorten, signed_span, size

CLASSES_NAMED = 5


def guard_of(scores: ScoreTable) -> Mapping[str, Any]:
    """What the guard stored; empty for runs that are older than the guard."""
    return mapping(scores.get("guard"))


def stepped_back(scores: ScoreTable) -> bool:
    """Whether the guard ships something other than what was chosen."""
    return guard_of(scores).get("outcome") in ("lowered", "fallback")


def guard_warnings(scores: ScoreTable) -> list[str]:
    """What a user must know before the model is used: steps back, worse classes, a better probe."""
    changed = [_sentence(scores)] if stepped_back(scores) else []
    return [*changed, *_classes_in_words(scores), *_better_probe(scores)]


def guard_approval(scores: ScoreTable) -> list[str]:
    """The guard's sentence where it kept what was chosen."""
    return [_sentence(scores)] if not stepped_back(scores) and guard_of(scores) else []


def worse_classes(scores: ScoreTable) -> list[Mapping[str, Any]]:
    """The classes in which the shipped model is clearly below zero-shot on held-out images."""
    return [mapping(entry) for entry in guard_of(scores).get("worse_classes") or []]


def held_out_images(entry: Mapping[str, Any]) -> str:
    """The number of held-out images behind an entry, in words."""
    count = number(entry.get("n"))
    return "held-out images" if count is None else f"{count:g} image{'' if count == 1 else 's'}"


def _sentence(scores: ScoreTable) -> str:
    """The guard's own sentence, with the number behind it."""
    stored = guard_of(scores)
    reason = str(stored.get("reason") or "The guard stored no reason.")
    entry = mapping(mapping(stored.get("against")).get("zero_shot"))
    change, bounds = number(entry.get("difference")), interval(entry.get("ci"))
    if change is None or stored.get("outcome") == "fallback":
        return reason
    spread = f", 95 % interval {signed_span(bounds)}" if bounds else ""
    return f"{reason} Shipped minus zero-shot there: {points(change)} points{spread}{_on(stored)}."


def _classes_in_words(scores: ScoreTable) -> list[str]:
    worse = [
        f"{shorten(str(entry.get('class')), 40)} "
        f"({points(entry.get('difference'))} points{_on(entry)})"
        for entry in worse_classes(scores)
    ]
    if not worse:
        return []
    many = "1 class" if len(worse) == 1 else f"{len(worse)} classes"
    return [
        f"In {many} the shipped model is clearly worse than zero-shot on held-out images: "
        f"{enumerated(worse, CLASSES_NAMED)}."
    ]


def _better_probe(scores: ScoreTable) -> list[str]:
    stored = guard_of(scores)
    entry = mapping(mapping(stored.get("against")).get("linear_probe"))
    change, bounds = number(entry.get("difference")), interval(entry.get("ci"))
    if change is None or bounds is None or bounds[1] >= 0:
        return []
    lead = signed_span((-bounds[1], -bounds[0]))
    return [
        f"A linear probe on frozen features is clearly better than the shipped model on held-out "
        f"images: {size(change)} ahead, 95 % interval {lead}{_on(stored)}. Compare the two on "
        "the shifts before you ship this model."
    ]


def _on(entry: Mapping[str, Any]) -> str:
    return "" if number(entry.get("n")) is None else f", {held_out_images(entry)}"
