"""The verdict of a run as one sentence."""

from adapt.report.record.pairs import RECALL, is_pairs, pair_sets, recall_change
from adapt.report.record.scores import SELECTION, ZERO_SHOT, ScoreTable, over
from adapt.report.record.ship import shipped_in_words, ships_zero_shot
from adapt.report.record.values import Interval, interval
from adapt.report.record.words import percent, points
from adapt.report.tables.cells import arrow


def headline(scores: ScoreTable) -> str:
    """What ships, and whether it is better than the start on the test set and on the shifts.

    Args:
        scores: The content of `scores.json`.

    Returns:
        One sentence. A change whose interval includes zero, or has none, is "no clear change".
    """
    if is_pairs(scores):
        return _of_pairs(scores)
    name, shifts = scores.test, over(scores.shifts) if scores.shifts else ""
    if name is None:
        return f"{_start(scores)} ships; no test set was evaluated."
    reached = scores.metric(scores.shipped, name)
    if reached is None:
        return f"{_start(scores)} ships; no image of {name} was scored."
    away = f" and {percent(scores.shift_mean(scores.shipped))} on {shifts}" if shifts else ""
    if ships_zero_shot(scores):
        return f"Zero-shot ships unchanged: it scores {_measured(scores, reached)} on {name}{away}."
    change, bounds = scores.difference(scores.shipped, name)
    moved, wide = scores.shift_difference(scores.shipped) if shifts else (None, None)
    lead = _lead({name: (change, bounds), shifts: (moved, wide)})
    on_shifts = f"{away}{_from(scores.shift_mean(ZERO_SHOT), moved)}" if shifts else ""
    unknown = "" if shifts else "; on images that look different nothing was measured"
    return (
        f"{lead[:1].upper()}{lead[1:]}: {shipped_in_words(scores)} scores "
        f"{_measured(scores, reached)} on {name}{_from(scores.metric(ZERO_SHOT, name), change)}"
        f"{on_shifts}{unknown}."
    )


def moved_to(bounds: Interval | None) -> str:
    """What a change is called in a sentence.

    >>> moved_to((0.01, 0.02)), moved_to((-0.02, -0.01)), moved_to((-0.1, 0.1)), moved_to(None)
    ('better', 'worse', 'no clear change', 'no clear change')
    """
    tone = arrow(bounds)[1]
    return "no clear change" if tone == "unclear" else tone


def _lead(changes: dict[str, tuple[float | None, Interval | None]]) -> str:
    """The changes in words, sets with the same one together."""
    grouped: dict[str, list[str]] = {}
    for name, (change, bounds) in changes.items():
        if name and change is not None:
            grouped.setdefault(moved_to(bounds), []).append(name)
    parts = [f"{word} on {' and '.join(names)}" for word, names in grouped.items()]
    return ", ".join(parts) or "no change is known"


def _from(base: float | None, change: float | None) -> str:
    if base is None or change is None:
        return ""
    return f" (zero-shot {percent(base)}, {points(change)} points)"


def _measured(scores: ScoreTable, value: float) -> str:
    return f"{percent(value)}{' mAP' if scores.several_labels else ''}"


def _start(scores: ScoreTable) -> str:
    words = shipped_in_words(scores)
    return f"{words[:1].upper()}{words[1:]}"


def _of_pairs(scores: ScoreTable) -> str:
    alpha = scores.get("alpha")
    name = next((name for name in pair_sets(scores) if name != SELECTION), None)
    start = "The start ships unchanged" if alpha == 0 else f"{_start(scores)} ships"
    if name is None:
        return f"{start}; no test set was evaluated."
    reached = f"recall at 10 is {percent(scores.metric(scores.shipped, name, RECALL))} on {name}"
    if alpha == 0:
        return f"{start}: {reached}."
    change = recall_change(scores, scores.shipped, name)
    word, before = moved_to(interval(change.get("ci"))), scores.metric(ZERO_SHOT, name, RECALL)
    return (
        f"{word[:1].upper()}{word[1:]} on {name}: {shipped_in_words(scores)} ships, its {reached} "
        f"(start {percent(before)}, {points(change.get('difference'))} points)."
    )
