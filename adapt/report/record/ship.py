"""What ships and why, and the class that lost most, in plain words; needs `scores.json` only."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.scores import (
    MIXED,
    MIXED_PROBE,
    SELECTION,
    ZERO_SHOT,
    ScoreTable,
    model_name,
)
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import percent, points, shorten, signed_span, span

TOLERATED_LOSS = 0.02
"""Accuracy on the shifts that may be lost without a warning."""
ADD_SHIFTS = (
    "To measure it, add `evals.NAME=FOLDER` to the command, with photos of the same classes that "
    "look different, or an entry under `evals` to the recipe."
)
_CANDIDATES = {
    "mixed": "the mixed model",
    "probe": "the mixed probe",
    "zero_shot": "zero-shot",
}
_ROWS = {"mixed": MIXED, "probe": MIXED_PROBE, "zero_shot": ZERO_SHOT}
_ENDS = {ZERO_SHOT: 0.0, "linear_probe": 1.0, "adapted": 1.0}


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


def probe_ships(scores: ScoreTable) -> bool:
    """Whether what ships lies on the line from zero-shot to the linear probe."""
    return scores.shipped == MIXED_PROBE


def ships_zero_shot(scores: ScoreTable) -> bool:
    """Whether what ships is zero-shot bit for bit: by name, or as the start of a line."""
    return scores.shipped == ZERO_SHOT or scores.get("alpha") == 0


def method_ships(scores: ScoreTable) -> bool:
    """Whether anything that the method trained is in the shipped model."""
    if scores.get("method") == ZERO_SHOT:
        return True
    return not probe_ships(scores) and not ships_zero_shot(scores)


def alpha_of(scores: ScoreTable, model: str) -> float | None:
    """Where a model lies on its line: 0 is zero-shot, 1 the adapted model or the linear probe.

    None for models of no line, and where the run did not store it. Averaged outputs have the weight
    that the mixed model has.
    """
    if model in _ENDS:
        return _ENDS[model]
    line = {MIXED: "mixed", "output_ensemble": "mixed", MIXED_PROBE: "probe"}.get(model, "")
    stored = number(_candidate(scores, line).get("alpha"))
    return number(scores.get("alpha")) if stored is None and model == scores.shipped else stored


def shipped_in_words(scores: ScoreTable) -> str:
    """The shipped model with its alpha."""
    if ships_zero_shot(scores):
        return _CANDIDATES["zero_shot"]
    alpha = number(scores.get("alpha"))
    name = model_name(scores.shipped)
    name = "the adapted model" if name == "adapted" else f"the {name}"
    return name if alpha is None else f"{name} (alpha {alpha:g})"


def _candidate(scores: ScoreTable, name: str) -> Mapping[str, Any]:
    return mapping(mapping(mapping(scores.get("ship")).get("candidates")).get(name))


def _named(scores: ScoreTable, name: str) -> str:
    """A candidate with its alpha."""
    entry = _candidate(scores, name)
    alpha = number(entry.get("alpha"))
    words = _CANDIDATES.get(name, name)
    return words if name == "zero_shot" or alpha is None else f"{words} (alpha {alpha:g})"


def _scored(scores: ScoreTable, name: str) -> str:
    bounds = span(scores.bounds(_ROWS.get(name, name), SELECTION))
    entry = _candidate(scores, name)
    reached = percent(entry.get(scores.measure))
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
