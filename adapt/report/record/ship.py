"""What ships and why, and the class that lost most, in plain words; needs `scores.json` only."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.scores import SELECTION, ScoreTable
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import percent, points, shorten, signed_span, span

_CANDIDATES = {
    "mixed": "the mixed model",
    "probe": "the mixed probe",
    "zero_shot": "zero-shot",
}
_ROWS = {"mixed": "ensemble", "probe": "mixed_probe", "zero_shot": "zero_shot"}


def ship_words(scores: ScoreTable) -> list[str]:
    """Which candidate ships, why, and what all of them score on the same held-out images."""
    stored = mapping(scores.get("ship"))
    if not stored:
        return []
    shipped = str(stored.get("candidate"))
    start = f"Shipped: {_named(scores, shipped)}, because {stored.get('reason')}."
    others = [_scored(scores, name) for name in mapping(stored.get("candidates"))]
    count = number(stored.get("n"))
    where = "held-out images" if count is None else f"the {count:g} held-out images"
    return [f"{start} On {where}: {', '.join(others)}."]


def lost_words(scores: ScoreTable) -> list[str]:
    """The class that lost most against zero-shot, on val and on the test set."""
    if not isinstance(stored := scores.get("lost_most"), dict):
        return []
    lost = [_lost(split, mapping(entry)) for split, entry in stored.items() if entry]
    sentences = []
    if lost:
        sentences.append(f"The class that lost most against zero-shot: {'; '.join(lost)}.")
    if kept := [split for split, entry in stored.items() if not entry]:
        sentences.append(f"No class lost accuracy against zero-shot on {' and '.join(kept)}.")
    return sentences


def too_small_words(scores: ScoreTable) -> list[str]:
    """Where val is too small to choose alpha: that, and what to do."""
    sentence = mapping(scores.get("ship")).get("too_small")
    return [str(sentence)] if sentence else []


def _named(scores: ScoreTable, name: str) -> str:
    """A candidate with its alpha."""
    entry = mapping(mapping(mapping(scores.get("ship")).get("candidates")).get(name))
    alpha = number(entry.get("alpha"))
    words = _CANDIDATES.get(name, name)
    return words if name == "zero_shot" or alpha is None else f"{words} (alpha {alpha:g})"


def _scored(scores: ScoreTable, name: str) -> str:
    bounds = span(scores.bounds(_ROWS.get(name, name), SELECTION))
    entry = mapping(mapping(mapping(scores.get("ship")).get("candidates")).get(name))
    reached = percent(entry.get("accuracy"))
    return f"{_named(scores, name)} {reached}" + (f" ({bounds})" if bounds else "")


def _lost(split: str, entry: Mapping[str, Any]) -> str:
    change, bounds = number(entry.get("difference")), interval(entry.get("ci"))
    count = number(entry.get("n"))
    images = "" if count is None else f"{count:g} image{'' if count == 1 else 's'}, "
    spread = f", 95 % interval {signed_span(bounds)}" if bounds else ""
    name, before, after = (entry.get(key) for key in ("class", "before", "after"))
    return (
        f"on {split}, {shorten(str(name), 40)} ({images}{points(change)} points, from "
        f"{percent(before)} to {percent(after)}{spread})"
    )
