"""What a run found, in plain words; also printed by the command line."""

from adapt.report.record.numbers import (
    SELECTION,
    ZERO_SHOT,
    Interval,
    Scores,
    difference,
    evals,
    metric,
    percent,
    points,
    shift_difference,
    shift_mean,
    shifts,
    shipped,
    size,
    test,
)
from adapt.report.tables.guard import guard_found, guard_said, stepped_back

WARNING = "Warning: "
TOLERATED_LOSS = 0.02


def verdict(scores: Scores) -> list[str]:
    """Says what the shipped model gains and loses, warnings first.

    Args:
      scores: The content of ``scores.json``.

    Returns:
      Whole sentences. Those that start with ``"Warning: "`` come first: test images that leak,
      what the guard changed
      and found, the shipped model is worse than zero-shot on the selection split, or it loses
      more than 2 points on the mean of the shifts. A number that is not known is never written
      as 0.
    """
    return [
        *_leaks(scores),
        *(f"{WARNING}{sentence}" for sentence in guard_found(scores)),
        *_warnings(scores),
        *_gain_on_test(scores),
        *_change_on_shifts(scores),
        *_against_adapted(scores),
        *_against_probe(scores),
        *guard_said(scores),
    ]


def _leaks(scores: Scores) -> list[str]:
    return [
        f"{WARNING}{one['leaked']} of {one['images']} images of {name} have a copy in train or "
        f"val: without them the shipped model scores {percent(one['leak_free_accuracy'])} there, "
        f"with them {percent(one['accuracy'])}."
        for name, one in (scores.get("leak_free") or {}).items()
    ]


def _is_zero_shot(scores: Scores, model: str) -> bool:
    """Whether what ships is zero-shot bit for bit: by name, or as the start of the curve."""
    return model == ZERO_SHOT or scores.get("alpha") == 0


def _warnings(scores: Scores) -> list[str]:
    model, found = shipped(scores), []
    if model == ZERO_SHOT:
        return []
    selected, _ = difference(scores, model, SELECTION)
    # Where the guard stepped back, its own sentence has said so.
    if selected is not None and selected < 0 and not stepped_back(scores):
        found.append(
            f"{WARNING}the shipped model is worse than zero-shot on the selection split: "
            f"{percent(metric(scores, model, SELECTION))} against "
            f"{percent(metric(scores, ZERO_SHOT, SELECTION))} ({points(selected)} points). "
            "Ship zero-shot, or add training images."
        )
    lost, _ = shift_difference(scores, model)
    # Rounded, because 0.58 - 0.60 is a little less than -0.02 in floating point.
    if lost is not None and round(lost, 9) < -TOLERATED_LOSS:
        found.append(
            f"{WARNING}the shipped model loses {size(lost)} on the mean of "
            f"{_shifts(scores)} against zero-shot. A smaller alpha keeps more of zero-shot."
        )
    return found


def _gain_on_test(scores: Scores) -> list[str]:
    model, name = shipped(scores), test(scores)
    if name is None:
        return ["No test set was evaluated: nothing is known about unseen images."]
    reached = metric(scores, model, name)
    if reached is None:
        return [f"Accuracy on {name} is n/a: the set holds no scored image."]
    if _is_zero_shot(scores, model):
        return [f"The shipped model is zero-shot itself; it scores {percent(reached)} on {name}."]
    gained, bounds = difference(scores, model, name)
    start = f"On {name} the shipped model{_alpha(scores)} scores {percent(reached)}"
    if gained is None:
        return [f"{start}; zero-shot was not scored there, so the gain is n/a."]
    base = _in_brackets(metric(scores, ZERO_SHOT, name))
    return [f"{start}, {_direction(gained)} zero-shot{base}; {_certainty(bounds)}."]


def _change_on_shifts(scores: Scores) -> list[str]:
    model, names = shipped(scores), shifts(scores)
    if not names:
        listed = len(evals(scores)) > 1
        why = "no shift was scored for every model" if listed else "no shift was evaluated"
        return [f"Robustness is n/a: {why}. Add shifts under `evals` in the recipe."]
    reached = percent(shift_mean(scores, model))
    if _is_zero_shot(scores, model):
        return [f"On the mean of {_shifts(scores)} it scores {reached}."]
    change, bounds = shift_difference(scores, model)
    start = f"On the mean of {_shifts(scores)} it scores {reached}"
    if change is None:
        return [f"{start}; zero-shot was not scored there, so the change is n/a."]
    base = _in_brackets(shift_mean(scores, ZERO_SHOT))
    sentence = f"{start}, {_direction(change)} zero-shot{base}; {_certainty(bounds)}."
    return [sentence, *_count_shifts(scores, model, names)]


def _count_shifts(scores: Scores, model: str, names: list[str]) -> list[str]:
    bounds = [difference(scores, model, name)[1] for name in names]
    known = [bound for bound in bounds if bound is not None]
    if len(known) < len(names) or len(names) < 2:
        return []
    better = sum(low > 0 for low, _ in known)
    worse = sum(high < 0 for _, high in known)
    return [
        f"Shift by shift: {better} clearly better, {worse} clearly worse, "
        f"{len(names) - better - worse} undecided."
    ]


def _against_adapted(scores: Scores) -> list[str]:
    model, name = shipped(scores), test(scores)
    if model in ("adapted", ZERO_SHOT) or "adapted" not in scores["models"] or name is None:
        return []
    parts = []
    on_test, _ = difference(scores, model, name, "adapted")
    if on_test is not None:
        parts.append(f"{_direction(on_test)} it on {name}")
    on_shifts, _ = shift_difference(scores, model, "adapted")
    if on_shifts is not None:
        parts.append(f"{_direction(on_shifts)} it on the mean of the shifts")
    if not parts:
        return []
    return [f"Compared with the plain adapted model, the shipped one is {' and '.join(parts)}."]


def _against_probe(scores: Scores) -> list[str]:
    model, name = shipped(scores), test(scores)
    if name is None or model == ZERO_SHOT:
        return []
    ahead = {
        name: difference(scores, "linear_probe", name, model)[0],
        "the mean of the shifts": shift_difference(scores, "linear_probe", model)[0],
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


def _alpha(scores: Scores) -> str:
    alpha = scores.get("alpha")
    return "" if alpha is None else f" (alpha {alpha:g})"


def _shifts(scores: Scores) -> str:
    count = len(shifts(scores))
    return "1 shift" if count == 1 else f"{count} shifts"


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
