"""What a run found, in plain words; also printed by the command line."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.guard import guard_approval, guard_warnings, stepped_back
from adapt.report.record.pairs import is_pairs, pair_verdict
from adapt.report.record.scores import SELECTION, ZERO_SHOT, ScoreTable, named_start, over
from adapt.report.record.ship import (
    ADD_SHIFTS,
    TOLERATED_LOSS,
    lost_words,
    ship_words,
    ships_zero_shot,
    too_small_words,
)
from adapt.report.record.values import Interval
from adapt.report.record.words import percent, points, size

WARNING = "Warning: "
NOT_MEASURED = (
    "Zero-shot is not measured: no text tower. Alpha 0, the guard and all differences are against "
    "a linear probe on the frozen features."
)


def verdict(scores: Mapping[str, Any]) -> list[str]:
    """Say what ships and why, then what it gains and loses, warnings first.

    Args:
        scores: The content of `scores.json`.

    Returns:
        Whole sentences. The first says which candidate ships and why. Those that start with
        `"Warning: "` come next: test images that leak, what the guard changed and saw, a shipped
        model that is worse than zero-shot on the selection split, or that loses more than 2 points
        on the mean of the shifts. A number that is not known is never written as 0.
    """
    table = ScoreTable(scores)
    if is_pairs(table):
        return pair_verdict(table)
    sentences = [
        *ship_words(table),
        *_leaks(table),
        *_skipped_steps(table),
        *(f"{WARNING}{sentence}" for sentence in guard_warnings(table)),
        *_warnings(table),
        *_gain_on_test(table),
        *_change_on_shifts(table),
        *_against_adapted(table),
        *_against_probe(table),
        *lost_words(table),
        *too_small_words(table),
        *guard_approval(table),
    ]
    if table.get("start") == "linear_probe":
        sentences.insert(1, NOT_MEASURED)
    return [named_start(sentence, table) for sentence in sentences]


def _leaks(scores: ScoreTable) -> list[str]:
    return [
        f"{WARNING}{leak['leaked']} of {leak['images']} images of {name} have a copy in train or "
        f"val: without them the shipped model scores {percent(leak['leak_free_accuracy'])} there, "
        f"with them {percent(leak['accuracy'])}."
        for name, leak in (scores.get("leak_free") or {}).items()
    ]


def _skipped_steps(scores: ScoreTable) -> list[str]:
    count = int(scores.get("skipped_steps") or 0)
    steps = "1 step" if count == 1 else f"{count} steps"
    return [
        f"{WARNING}training left out {steps} whose loss or gradient was not finite: lower "
        "optim.lr, or set runtime.precision=32."
    ] * bool(count)


def _warnings(scores: ScoreTable) -> list[str]:
    model = scores.shipped
    if model == ZERO_SHOT:
        return []
    warnings = []
    selected, _ = scores.difference(model, SELECTION)
    # Where the guard stepped back, its own sentence has already said so.
    if selected is not None and selected < 0 and not stepped_back(scores):
        warnings.append(
            f"{WARNING}the shipped model is worse than zero-shot on the selection split: "
            f"{percent(scores.metric(model, SELECTION))} against "
            f"{percent(scores.metric(ZERO_SHOT, SELECTION))} ({points(selected)} points). "
            "Ship zero-shot, or add training images."
        )
    lost, _ = scores.shift_difference(model)
    # Rounded, because 0.58 - 0.60 is a little less than -0.02 in floating point.
    if lost is not None and round(lost, 9) < -TOLERATED_LOSS:
        warnings.append(
            f"{WARNING}the shipped model loses {size(lost)} on {over(scores.shifts)} "
            "against zero-shot. A smaller alpha keeps more of zero-shot."
        )
    return warnings


def _gain_on_test(scores: ScoreTable) -> list[str]:
    model, name = scores.shipped, scores.test
    if name is None:
        return ["No test set was evaluated: nothing is known about unseen images."]
    reached = scores.metric(model, name)
    if reached is None:
        return [f"{_measure(scores)} on {name} is n/a: no image of it was scored."]
    if ships_zero_shot(scores):
        return [f"The shipped model is zero-shot itself; it scores {percent(reached)} on {name}."]
    gained, bounds = scores.difference(model, name)
    measured = " mAP" if scores.several_labels else ""
    start = f"On {name} the shipped model{_alpha(scores)} scores {percent(reached)}{measured}"
    if gained is None:
        return [f"{start}; zero-shot was not scored there, so the gain is n/a."]
    base = _in_brackets(scores.metric(ZERO_SHOT, name))
    return [f"{start}, {_direction(gained)} zero-shot{base}; {_certainty(bounds)}."]


def _change_on_shifts(scores: ScoreTable) -> list[str]:
    model, names = scores.shipped, scores.shifts
    if not names:
        listed = len(scores.evals) > 1
        why = "no shift was scored for every model" if listed else "no shift was evaluated"
        return [f"Robustness is n/a: {why}. {ADD_SHIFTS}"]
    reached = percent(scores.shift_mean(model))
    if ships_zero_shot(scores):
        return [f"On {over(names)} it scores {reached}."]
    change, bounds = scores.shift_difference(model)
    start = f"On {over(names)} it scores {reached}"
    if change is None:
        return [f"{start}; zero-shot was not scored there, so the change is n/a."]
    base = _in_brackets(scores.shift_mean(ZERO_SHOT))
    sentence = f"{start}, {_direction(change)} zero-shot{base}; {_certainty(bounds)}."
    return [sentence, *_count_shifts(scores, model, names)]


def _count_shifts(scores: ScoreTable, model: str, names: list[str]) -> list[str]:
    bounds = [scores.difference(model, name)[1] for name in names]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(names) or len(names) < 2:
        return []
    better = sum(low > 0 for low, _ in known)
    worse = sum(high < 0 for _, high in known)
    return [
        f"Shift by shift: {better} clearly better, {worse} clearly worse, "
        f"{len(names) - better - worse} undecided."
    ]


def _against_adapted(scores: ScoreTable) -> list[str]:
    model, name = scores.shipped, scores.test
    if (
        model in ("adapted", ZERO_SHOT, "mixed_probe")
        or "adapted" not in scores["models"]
        or name is None
    ):
        return []
    parts = []
    on_test, _ = scores.difference(model, name, "adapted")
    if on_test is not None:
        parts.append(f"{_direction(on_test)} it on {name}")
    on_shifts, _ = scores.shift_difference(model, "adapted")
    if on_shifts is not None:
        parts.append(f"{_direction(on_shifts)} it on {over(scores.shifts)}")
    if not parts:
        return []
    return [f"Compared with the plain adapted model, the shipped model is {' and '.join(parts)}."]


def _against_probe(scores: ScoreTable) -> list[str]:
    model, name = scores.shipped, scores.test
    if name is None or model == ZERO_SHOT:
        return []
    ahead = {
        name: scores.difference("linear_probe", name, model)[0],
        over(scores.shifts): scores.shift_difference("linear_probe", model)[0],
    }
    won = [
        f"{size(value)} on {where}"
        for where, value in ahead.items()
        if value is not None and round(100 * value, 1) > 0
    ]
    if not won:
        return []
    where = " and ".join(won)
    return [f"A linear probe on frozen features is ahead by {where} (no interval is stored)."]


def _in_brackets(value: float | None) -> str:
    return "" if value is None else f" ({percent(value)})"


def _alpha(scores: ScoreTable) -> str:
    alpha = scores.get("alpha")
    return "" if alpha is None else f" (alpha {alpha:g})"


def _measure(scores: ScoreTable) -> str:
    """The measure at the beginning of a sentence."""
    return scores.measure if scores.several_labels else "Accuracy"


def _direction(change: float) -> str:
    if round(100 * change, 1) == 0:
        return "level with"
    return f"{size(change)} {'above' if change > 0 else 'below'}"


def _certainty(bounds: Interval | None) -> str:
    if bounds is None:
        return "no interval is stored for this difference"
    low, high = bounds
    span = f"the 95 % interval, {points(low)} to {points(high)},"
    if low > 0 or high < 0:
        return f"{span} excludes zero"
    return f"{span} includes zero, so this may be chance"
