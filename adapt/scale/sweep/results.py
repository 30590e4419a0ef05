"""What the runs of a sweep came to: one row for each run, one for each setting, and their order."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adapt.common.files import write_json
from adapt.errors import RunError
from adapt.report.record.scores import ZERO_SHOT, ScoreTable
from adapt.report.record.values import mapping, mean, number
from adapt.runs.folder.files import write_csv
from adapt.runs.folder.timing import FILE as TIMING
from adapt.scale.sweep.plan import FILE, SweepPlan
from adapt.scale.sweep.settings import RANKINGS, SELECTION
from adapt.scale.sweep.task import FINISHED, SCORES, RunOutcome, SweepTask
from adapt.version import __version__

MEASURES = ("val", "test", "shift_mean", "zero_shot_val", "zero_shot_test", "zero_shot_shift_mean")
NORMAL = 1.959963984540054
"""Half the width of a 95 % interval, in standard errors."""
CSV = "sweep.csv"


def run_row(task: SweepTask, outcome: RunOutcome, rank_by: str) -> dict[str, Any]:
    """The row of a run; numbers are there if it has finished.

    Raises:
        RunError: When its scores cannot be read.
    """
    row: dict[str, Any] = {"state": outcome.state, "reason": outcome.reason}
    if outcome.state != FINISHED:
        return row
    scores = read_scores(task.folder / SCORES)
    shipped = scores.shipped
    own = {name: scores.metric(shipped, name) for name in [SELECTION, *scores.evals]}
    bounds = scores.bounds(shipped, SELECTION, rank_by)
    test = scores.test
    return {
        **row,
        "rank_value": scores.metric(shipped, SELECTION, rank_by),
        "standard_error": None if bounds is None else (bounds[1] - bounds[0]) / (2 * NORMAL),
        "val": own[SELECTION],
        "val_images": number(scores.entry(shipped, SELECTION).get("n")),
        "test": own[test] if test else None,
        "shift_mean": scores.shift_mean(shipped),
        "zero_shot_val": scores.metric(ZERO_SHOT, SELECTION),
        "zero_shot_test": scores.metric(ZERO_SHOT, test) if test else None,
        "zero_shot_shift_mean": scores.shift_mean(ZERO_SHOT),
        "alpha": number(scores.get("alpha")),
        "shipped": shipped,
        "evals": {name: own[name] for name in scores.evals},
        "shifts": scores.shifts,
        "seconds": _seconds(task.folder / TIMING),
        "opened": max((int(n) for n in mapping(scores.get("opened")).values()), default=0),
        "leaks": sorted(name for name, leak in mapping(scores.get("leak_free")).items() if leak),
    }


def _seconds(path: Path) -> float | None:
    """How long a run took; None where it does not say so."""
    try:
        return number(json.loads(path.read_text(encoding="utf-8"))["total"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def read_scores(path: Path) -> ScoreTable:
    """The scores of a finished run.

    Raises:
        RunError: When they cannot be read.
    """
    try:
        scores = ScoreTable(json.loads(path.read_text(encoding="utf-8")))
        assert isinstance(scores["models"], dict)
        return scores
    except (OSError, ValueError, LookupError, AssertionError) as error:
        reason = " ".join(str(error).split()) or "it holds no scores"
        raise RunError(
            f"{path} - cannot be read - {reason} - delete the run's folder, and run the sweep again"
        ) from error


def content_of(
    plan: SweepPlan,
    tasks: Sequence[SweepTask],
    outcomes: Mapping[str, RunOutcome],
    rank_by: str = "accuracy",
) -> dict[str, Any]:
    """The content of `sweep.json`: the plan, every run, every setting in order, and what is best.

    Args:
        plan: Of the sweep.
        tasks: In its order.
        outcomes: By the name of the run.
        rank_by: Measure on val, see `RANKINGS`.

    Raises:
        RunError: When the scores of a finished run cannot be read.
    """
    rows = [
        {
            "name": run.name,
            "settings": run.settings,
            "seed": run.seed,
            "overrides": list(run.overrides),
            **run_row(task, outcomes[run.name], rank_by),
        }
        for run, task in zip(plan.runs, tasks, strict=True)
    ]
    settings = ranked(rows, rank_by)
    return {
        "format": 1,
        "adapt": __version__,
        "name": str(plan.resolved["name"]),
        "plan": plan.to_dict(),
        "rank_by": rank_by,
        "higher_is_better": RANKINGS[rank_by] > 0,
        "runs": rows,
        "settings": settings,
        "best": settings[0]["settings"] if settings and settings[0]["finished"] else None,
        "openings": sum(row.get("opened", 0) for row in rows),
    }


def ranked(rows: Sequence[Mapping[str, Any]], rank_by: str) -> list[dict[str, Any]]:
    """One entry for each setting, the best on val first; those without a finished run come last.

    Every number is a mean over the finished seeds with its smallest and largest value. A setting is
    `tied` where its difference to the best on val is within 1.96 standard errors of two unpaired
    means on as many images as one run has: seeds share images, so more of them do not narrow it.

    Args:
        rows: Of runs; see `run_row`.
        rank_by: Measure on val.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(json.dumps(row["settings"], sort_keys=True), []).append(row)
    entries = [_setting(group) for group in groups.values()]
    sign = RANKINGS[rank_by]
    scored = [entry for entry in entries if entry["rank_value"] is not None]
    scored.sort(key=lambda entry: -sign * entry["rank_value"]["mean"])  # equal ones stay in order
    for entry in scored:
        entry["tied"] = _tied(scored[0], entry)
    return scored + [entry for entry in entries if entry["rank_value"] is None]


def _setting(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    done = [row for row in group if row["state"] == FINISHED]
    numbers = {name: spread([row[name] for row in done]) for name in ("rank_value", *MEASURES)}
    evals = list(dict.fromkeys(name for row in done for name in row["evals"]))
    return {
        "settings": group[0]["settings"],
        "runs": [row["name"] for row in group],
        "finished": len(done),
        "of": len(group),
        **numbers,
        "evals": {name: spread([row["evals"].get(name) for row in done]) for name in evals},
        "alpha": spread([row["alpha"] for row in done]),
        "seconds": spread([row["seconds"] for row in done]),
        "shipped": dict(Counter(row["shipped"] for row in done).most_common()),
        "standard_error": mean([row["standard_error"] for row in done]),
        "tied": None,
    }


def spread(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Mean, smallest and largest of one number over seeds; None without values or with one missing.

    >>> spread([0.5, 0.75]), spread([0.5, None]), spread([])
    ({'mean': 0.625, 'low': 0.5, 'high': 0.75, 'n': 2}, None, None)
    """
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    middle = mean(known)
    return {"mean": middle, "low": min(known), "high": max(known), "n": len(known)}


def _tied(best: Mapping[str, Any], entry: Mapping[str, Any]) -> bool | None:
    """Whether chance on the val images explains the difference; None where it cannot be said."""
    errors = best["standard_error"], entry["standard_error"]
    if None in errors:
        return None
    difference = abs(best["rank_value"]["mean"] - entry["rank_value"]["mean"])
    return bool(difference <= NORMAL * float(np.hypot(*errors)))


def write_results(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Write `sweep.json` and `sweep.csv`, which has a row for each run.

    Raises:
        RunError: When they cannot be written.
    """
    keys = [key for key in content["plan"]["keys"] if key != "seed"]
    evals = list(dict.fromkeys(name for row in content["runs"] for name in row.get("evals", {})))
    ranked_by = [] if content["rank_by"] == "accuracy" else ["rank_value"]
    numbers = [*ranked_by, *MEASURES, "alpha", "seconds"]
    shown = [f"val_{content['rank_by']}" if name == "rank_value" else name for name in numbers]
    header = ["run", *keys, "seed", "state", "reason", *shown, "shipped"]
    rows = [
        [
            row["name"],
            *(_cell(row["settings"].get(key)) for key in keys),
            row["seed"],
            row["state"],
            row["reason"],
            *(row.get(name) for name in numbers),
            row.get("shipped"),
            *(row.get("evals", {}).get(name) for name in evals),
        ]
        for row in content["runs"]
    ]
    write_csv(folder / CSV, [*header, *(f"eval_{name}" for name in evals)], rows)
    return [write_json(folder / FILE, content), folder / CSV]


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
