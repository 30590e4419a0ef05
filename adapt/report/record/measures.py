"""Looking things up in `robustness.json`."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number

Entry = Mapping[str, Any]


def entries(run: RunRecord, part: str) -> dict[str, Entry]:
    """One part of `robustness.json` by name, such as `flips`; empty where it is absent."""
    stored = mapping(mapping(run.robustness).get(part))
    return {str(name): mapping(entry) for name, entry in stored.items()}


def shift_entries(run: RunRecord) -> dict[str, Entry]:
    """Every shift that was compared with the test set, in recipe order."""
    return run.scores.by_eval(mapping(run.robustness).get("shifts"))


def shift_models(entry: Entry) -> dict[str, Entry]:
    """The models of one shift."""
    return {str(name): mapping(row) for name, row in mapping(entry.get("models")).items()}


def line_of(entry: Entry) -> tuple[float, float] | None:
    """Slope and intercept, on logit axes, of the usual accuracy on a shift; None without a line."""
    fit = mapping(entry.get("fit"))
    slope, intercept = number(fit.get("slope")), number(fit.get("intercept"))
    return None if slope is None or intercept is None else (slope, intercept)


def line_points(entry: Entry) -> list[tuple[float, float]]:
    """The reference models of a shift, as accuracy on the test set and on the shift."""
    pairs = [(number(x), number(y)) for x, y in entry.get("references") or []]
    return [(x, y) for x, y in pairs if x is not None and y is not None]


def no_line(run: RunRecord) -> str:
    """Why effective robustness is not stated, and what to bring, without a full stop.

    Empty where a line was drawn for some shift.
    """
    compared = [entry for entry in shift_entries(run).values() if shift_models(entry)]
    if not compared or any(line_of(entry) for entry in compared):
        return ""
    reasons = {str(entry.get("reason") or "no line was stored") for entry in compared}
    return (
        f"{'; '.join(sorted(reasons))}. To state it, measure ten or more other models, of low to "
        "high accuracy, on these very test sets, and name a CSV file of them "
        "(`name,id,<eval>,...`) under `robustness.reference`"
    )


def id_name(run: RunRecord) -> str:
    """The eval that the shifts were compared with."""
    return str(mapping(run.robustness).get("id") or run.scores.test or "test")
