"""Looking numbers up in ``scores.json``, and writing them in words.

A number that is missing, null or not finite is None, and is written ``n/a``, never 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adapt.report.record.read import number

Scores = Mapping[str, Any]
Interval = tuple[float, float]

SELECTION = "val"
ZERO_SHOT = "zero_shot"
LADDER = ("majority", ZERO_SHOT, "linear_probe", "adapted", "output_ensemble", "ensemble")
_NAMES = {
    "majority": "majority class",
    ZERO_SHOT: "zero-shot",
    "linear_probe": "linear probe",
    "output_ensemble": "mixed outputs",
}


def models(scores: Scores) -> list[str]:
    """The models that were scored, from the simplest baseline up."""
    known = [model for model in LADDER if model in scores["models"]]
    return known + [model for model in scores["models"] if model not in LADDER]


def model_name(model: str) -> str:
    """How a model is called in text."""
    return _NAMES.get(model, model.replace("_", " "))


def shipped(scores: Scores) -> str:
    """The model the bundle holds: ``shipped`` when stated, else the last of the ladder."""
    stated = scores.get("shipped")
    if stated in scores["models"]:
        return str(stated)
    present = [m for m in ("ensemble", "adapted", ZERO_SHOT) if m in scores["models"]]
    return present[0] if present else ZERO_SHOT


def evals(scores: Scores) -> list[str]:
    """Every scored test set in recipe order, without the selection split."""
    listed = list(scores.get("data", {}).get("evals", {}))
    scored = [name for results in scores["models"].values() for name in results]
    return [name for name in dict.fromkeys(listed + scored) if name != SELECTION]


def test(scores: Scores) -> str | None:
    """The in-distribution test set: the first eval."""
    return next(iter(evals(scores)), None)


def shifts(scores: Scores) -> list[str]:
    """The evals after the first: shifts that every model with any shift score was scored on."""
    results = {
        model: {name for name in evals(scores)[1:] if metric(scores, model, name) is not None}
        for model in scores["models"]
    }
    common = [found for found in results.values() if found]
    return [name for name in evals(scores)[1:] if common and all(name in f for f in common)]


def entry(scores: Scores, model: str, name: str) -> Mapping[str, Any]:
    """The stored metrics of one model on one eval; empty when there are none."""
    return scores["models"].get(model, {}).get(name) or {}


def metric(scores: Scores, model: str, name: str, key: str = "accuracy") -> float | None:
    """One stored metric, or None."""
    return number(entry(scores, model, name).get(key))


def interval(values: object) -> Interval | None:
    """A stored ``[low, high]``, or None."""
    if not isinstance(values, Sequence) or len(values) != 2:
        return None
    low, high = number(values[0]), number(values[1])
    return None if low is None or high is None else (low, high)


def difference(
    scores: Scores, model: str, name: str, base: str = ZERO_SHOT
) -> tuple[float | None, Interval | None]:
    """Accuracy of ``model`` minus ``base`` on one eval, with the paired interval if stored."""
    stored = (entry(scores, model, name).get("difference") or {}).get("accuracy") or {}
    if base == ZERO_SHOT and number(stored.get("difference")) is not None:
        return number(stored["difference"]), interval(stored.get("ci"))
    mine, theirs = metric(scores, model, name), metric(scores, base, name)
    return (None if mine is None or theirs is None else mine - theirs), None


def shift_mean(scores: Scores, model: str, key: str = "accuracy") -> float | None:
    """Mean of one metric over the shifts; None without shifts or with one missing."""
    return mean([metric(scores, model, name, key) for name in shifts(scores)])


def shift_difference(
    scores: Scores, model: str, base: str = ZERO_SHOT
) -> tuple[float | None, Interval | None]:
    """Mean over the shifts of the accuracy difference, with an interval that is never too narrow.

    Shifts may share images, so their errors may be fully correlated; the mean of the bounds
    holds for every correlation (the deviation of a mean is at most the mean of deviations).
    """
    pairs = [difference(scores, model, name, base) for name in shifts(scores)]
    bounds = [bound for _, bound in pairs if bound is not None]
    low = mean([bound[0] for bound in bounds])
    high = mean([bound[1] for bound in bounds])
    whole = len(bounds) == len(pairs) and low is not None and high is not None
    return mean([value for value, _ in pairs]), (low, high) if whole else None  # type: ignore


def mean(values: Sequence[float | None]) -> float | None:
    """Arithmetic mean; None when empty or when a value is missing.

    >>> mean([1.0, 2.0]), mean([]), mean([1.0, None])
    (1.5, None, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def percent(value: float | None) -> str:
    """A share in percent.

    >>> percent(0.8125), percent(None)
    ('81.2 %', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:.1f} %"


def share(value: float | None) -> str:
    """A share that somebody chose, in percent, without needless places.

    >>> share(0.9), share(0.975), share(None)
    ('90 %', '97.5 %', 'n/a')
    """
    return "n/a" if value is None else f"{100 * value:.4g} %"


def points(value: float | None) -> str:
    """A difference of shares in percentage points, always with its sign.

    >>> points(0.0312), points(-0.02), points(-0.0001), points(None)
    ('+3.1', '-2.0', '+0.0', 'n/a')
    """
    return "n/a" if value is None else f"{round(100 * value, 1) + 0.0:+.1f}"


def size(change: float) -> str:
    """A difference without its sign, in words.

    >>> size(-0.031), size(0.01)
    ('3.1 points', '1.0 point')
    """
    text = f"{abs(round(100 * change, 1)):.1f}"
    return f"{text} point" if text == "1.0" else f"{text} points"


def decimal(value: float | None, places: int = 3) -> str:
    """A plain number with fixed places, or ``n/a``."""
    return "n/a" if value is None else f"{value:.{places}f}"


def shorten(text: str, length: int = 28) -> str:
    """Cuts a long name in the middle, so that both ends can still tell it apart.

    >>> shorten("abcdefghij", 7)
    'abc…hij'
    """
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    head = length // 2
    return f"{text[:head]}…{text[len(text) - (length - head - 1) :]}"
