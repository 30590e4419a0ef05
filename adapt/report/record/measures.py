"""Looking things up in ``robustness.json``."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.numbers import evals, test
from adapt.report.record.read import Run, mapping, number

Entry = Mapping[str, Any]


def entries(run: Run, part: str) -> dict[str, Entry]:
    """One part of ``robustness.json`` by name, such as ``flips``; empty where it is absent."""
    stored = mapping(mapping(run.robustness).get(part))
    return {str(name): mapping(found) for name, found in stored.items()}


def shift_entries(run: Run) -> dict[str, Entry]:
    """Every shift that was set against the test set, in recipe order."""
    found = entries(run, "shifts")
    order = [name for name in evals(run.scores) if name in found]
    return {name: found[name] for name in dict.fromkeys([*order, *found])}


def shift_models(entry: Entry) -> dict[str, Entry]:
    """The models of one shift."""
    return {str(name): mapping(row) for name, row in mapping(entry.get("models")).items()}


def line_of(entry: Entry) -> tuple[float, float] | None:
    """Slope and intercept, on logit axes, of the usual accuracy on a shift; None without a line."""
    fit = mapping(entry.get("fit"))
    slope, intercept = number(fit.get("slope")), number(fit.get("intercept"))
    return None if slope is None or intercept is None else (slope, intercept)


def falls(entry: Entry) -> bool:
    """Whether the line of a shift falls, so that what is usual there cannot be told."""
    line = line_of(entry)
    return line is not None and line[0] <= 0


def id_name(run: Run) -> str:
    """The eval that shifts were compared with."""
    return str(mapping(run.robustness).get("id") or test(run.scores) or "test")
