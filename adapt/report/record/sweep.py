"""What `sweep.json` says of one key: the setting that is best on val for each of its values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapt.report.record.scores import mean_of
from adapt.report.record.values import mapping, number

SEED = "seed"
ZERO_SHOT_OF = {
    "val": "zero_shot_val",
    "test": "zero_shot_test",
    "shift_mean": "zero_shot_shift_mean",
}


@dataclass(frozen=True)
class KeyOfSweep:
    """A key and the values that were tried."""

    key: str
    values: list[Any]
    labels: list[str]
    """The values in words."""
    best: int | None
    """Which of them the best setting has."""

    @property
    def at_the_end(self) -> str:
        """Whether the best value is the smallest or largest of several numbers; else empty."""
        numbers = [number(value) for value in self.values]
        if self.best is None or len(numbers) < 2 or None in numbers:
            return ""
        best = numbers[self.best]
        if best == max(numbers, key=lambda value: value or 0.0):
            return "largest"
        return "smallest" if best == min(numbers, key=lambda value: value or 0.0) else ""


@dataclass(frozen=True)
class Spread:
    """A number over seeds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """One measure at each value of a key, by the position of the value."""

    measure: str
    name: str
    points: dict[int, Spread]
    """Of the setting that is best on val among those with the value."""
    others: list[tuple[int, float]] = field(default_factory=list)
    """Means of all other settings."""
    zero_shot: float | None = None
    """Where it is the same in all runs."""


def value_text(value: Any) -> str:
    """A value of a key in words.

    >>> value_text(0.0003), value_text(True), value_text([1, "a"]), value_text(None)
    ('0.0003', 'true', '[1, "a"]', 'null')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False)


def short_keys(keys: list[str]) -> dict[str, str]:
    """The shortest ends of key paths that tell them apart.

    >>> short_keys(["method.optim.lr", "method.name", "model.name"])
    {'method.optim.lr': 'lr', 'method.name': 'method.name', 'model.name': 'model.name'}
    """
    shown = {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[at:]) for at in range(len(parts) - 1, -1, -1)]
        others = [f".{other}" for other in keys if other != key]
        shown[key] = next(
            (end for end in ends if not any(other.endswith(f".{end}") for other in others)), key
        )
    return shown


def place_of(values: Sequence[Any], value: Any) -> int:
    """Where a value stands in a list; true is not 1 here.

    >>> place_of([1, True, "1"], True)
    1
    """
    return [json.dumps(each, sort_keys=True) for each in values].index(
        json.dumps(value, sort_keys=True)
    )


def keys_of(content: Mapping[str, Any]) -> list[KeyOfSweep]:
    """The keys that were swept, without the seed."""
    best = mapping(content.get("best"))
    keys = []
    for key, values in content["plan"]["keys"].items():
        if key != SEED:
            place = place_of(values, best[key]) if key in best else None
            keys.append(KeyOfSweep(key, values, [value_text(value) for value in values], place))
    return keys


def stored_spread(entry: Mapping[str, Any], measure: str) -> Spread | None:
    """A number of a setting over its seeds; None where it is not known."""
    stored = mapping(entry.get(measure))
    mean, low, high = (number(stored.get(name)) for name in ("mean", "low", "high"))
    return None if mean is None or low is None or high is None else Spread(mean, low, high)


def shift_names(content: Mapping[str, Any]) -> list[str]:
    """The shifts that every finished run has scored."""
    scored = [row["shifts"] for row in content["runs"] if "shifts" in row]
    return [name for name in (scored[0] if scored else []) if all(name in row for row in scored)]


def series_of(content: Mapping[str, Any], key: KeyOfSweep) -> list[Series]:
    """Val, test and the mean of the shifts at each value of a key; what is not scored is absent."""
    names = {
        "val": "val",
        "test": "test",
        "shift_mean": mean_of(shift_names(content) or ["shifts"]),
    }
    lines = []
    for measure, name in names.items():
        points: dict[int, Spread] = {}
        others = []
        for entry in content["settings"]:  # the best on val comes first
            place = place_of(key.values, entry["settings"][key.key])
            if (spread := stored_spread(entry, measure)) is not None:
                if place in points:
                    others.append((place, spread.mean))
                else:
                    points[place] = spread
        if points:
            lines.append(Series(measure, name, points, others, zero_shot_of(content, measure)))
    return lines


def zero_shot_of(content: Mapping[str, Any], measure: str) -> float | None:
    """Zero-shot's mean over the runs where every setting has the same; else None."""
    stored = [stored_spread(entry, ZERO_SHOT_OF[measure]) for entry in content["settings"]]
    means = [spread.mean for spread in stored if spread is not None]
    same = bool(means) and max(means) - min(means) < 5e-4
    return sum(means) / len(means) if same else None
