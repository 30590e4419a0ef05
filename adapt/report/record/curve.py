"""The alpha curve: its points, and what each rule would choose on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.record.scores import MAP, MIXED, MIXED_PROBE
from adapt.report.record.ship import probe_ships
from adapt.report.record.values import mapping, mean, number

Point = Mapping[str, Any]
SYNTHETIC = "val and its corruptions"


def probe_line(run: RunRecord) -> RunRecord | None:
    """The run with the line to the linear probe as its curve, where that line holds what ships."""
    stored = mapping((run.curve or {}).get("probe"))
    if not stored or not probe_ships(run.scores):
        return None
    return replace(run, curve={**stored, "of": MIXED_PROBE})


def line_model(run: RunRecord) -> str:
    """The model whose line the curve is: the mixed model or the mixed probe."""
    return str((run.curve or {}).get("of") or MIXED)


def line_ships(run: RunRecord) -> bool:
    """Whether what ships lies on the line of the curve."""
    return (line_model(run) == MIXED_PROBE) == probe_ships(run.scores)


def curve_points(run: RunRecord) -> list[Point]:
    """The points of the alpha curve in order of alpha; empty when there is no curve."""
    stored = (run.curve or {}).get("points") or []
    known = [point for point in stored if number(point.get("alpha")) is not None]
    return sorted(known, key=lambda point: float(point["alpha"]))


def curve_shifts(run: RunRecord, stored: Sequence[Point]) -> list[str]:
    """The shifts that were scored along the curve: at both ends at least."""
    ends = [*stored[:1], *stored[-1:]]
    return [
        name
        for name in run.scores.shifts
        if all(at_point(point, [name]) is not None for point in ends)
    ]


def sampled_sets(run: RunRecord) -> dict[str, int]:
    """Sets whose curve rests on a sample, with the images in it."""
    stored = mapping((run.curve or {}).get("sampled"))
    return {str(name): int(count) for name, count in stored.items()}


def at_point(point: Point, names: Sequence[str]) -> float | None:
    """Mean accuracy (or mAP) over some sets at a point; None when one was not scored."""
    scored = [mapping(point.get(name)) for name in names]
    return mean([number(entry.get("accuracy", entry.get(MAP))) for entry in scored])


def point_at(run: RunRecord, alpha: float | None) -> Point:
    """The point of the curve at an alpha; empty when there is none."""
    near = [
        point
        for point in curve_points(run)
        if alpha is not None and abs(float(point["alpha"]) - alpha) < 1e-6
    ]
    return near[0] if near else {}


def chosen_alpha(run: RunRecord) -> float | None:
    """The alpha that was chosen on this line and passed the guard, where there is a curve."""
    return number((run.curve or {}).get("chosen"))


def level_alphas(run: RunRecord) -> list[float]:
    """The alphas that val does not tell from the chosen one; empty where none was stored."""
    stored = (run.curve or {}).get("level") or []
    return [alpha for value in stored if (alpha := number(value)) is not None]


def rule_choices(run: RunRecord) -> dict[str, Point]:
    """What each rule would choose: by rule, its alpha, val accuracy and temperature."""
    stored = mapping((run.curve or {}).get("rules"))
    return {
        str(rule): mapping(choice)
        for rule, choice in stored.items()
        if number(mapping(choice).get("alpha")) is not None
    }
