"""What a sweep came to, in plain words; also printed by the command line."""

import shlex
from collections.abc import Mapping
from typing import Any

from adapt.common.words import plural
from adapt.report.record.scores import MIXED_PROBE, model_name, over
from adapt.report.record.sweep import (
    SEED,
    ZERO_SHOT_OF,
    keys_of,
    shift_names,
    stored_spread,
    value_text,
)
from adapt.report.record.words import enumerated, percent, points

Content = Mapping[str, Any]
MEASURE_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "nll": "negative log-likelihood",
    "brier": "Brier score",
    "ece": "calibration error",
}


def setting_text(settings: Mapping[str, Any]) -> str:
    """A setting in one line.

    >>> setting_text({"method.optim.lr": 0.001, "data.balance": "sqrt"})
    'method.optim.lr=0.001, data.balance=sqrt'
    """
    if not settings:
        return "the recipe as it is"
    return ", ".join(f"{key}={value_text(value)}" for key, value in settings.items())


def headline(content: Content) -> str:
    """What is best, in a few words."""
    if content["best"] is None:
        return "no run has finished"
    return f"best on val: {setting_text(content['best'])}"


def verdict(content: Content) -> list[str]:
    """What is best, what it reaches, how sure that is, and what is left to do; most useful first.

    Args:
        content: `sweep.json`.
    """
    sentences = []
    if content["best"] is not None:
        sentences += [_reached(content), *_doubt(content), *_same_probe(content)]
        sentences += _at_an_end(content)
    return [*sentences, *_states(content)]


def _reached(content: Content) -> str:
    best = content["settings"][0]
    seeds = f" (means over {plural(best['finished'], 'seed')})" if best["finished"] > 1 else ""
    measure = content["rank_by"]
    first = f"{setting_text(best['settings'])} is best on val"
    ranked = "" if measure == "accuracy" else f" by {MEASURE_WORDS[measure]}"
    parts = []
    names = {"val": "val", "test": "test", "shift_mean": over(shift_names(content) or ["shifts"])}
    for key, name in names.items():
        own, base = stored_spread(best, key), stored_spread(best, ZERO_SHOT_OF[key])
        if own is not None:
            change = "" if base is None else f" ({points(own.mean - base.mean)} over zero-shot)"
            parts.append(f"{percent(own.mean)} on {name}{change}")
    return f"{first}{ranked}{seeds}: {', '.join(parts)}."


def _doubt(content: Content) -> list[str]:
    scored = [entry for entry in content["settings"] if entry["finished"]]
    tied = [entry for entry in scored[1:] if entry["tied"]]
    if len(scored) < 2:
        return []
    if scored[0]["tied"] is None:
        return [
            f"The {MEASURE_WORDS[content['rank_by']]} has no interval, so it is not said which "
            "differences may be chance."
        ]
    if not tied:
        return ["All other settings are worse on val by more than chance explains."]
    images = max((row.get("val_images") or 0 for row in content["runs"]), default=0)
    rest = len(scored) - 1 - len(tied)
    which = (
        f"{len(tied)} of the other {len(scored) - 1} settings"
        if rest
        else ("The other setting" if len(tied) == 1 else f"All other {len(tied)} settings")
    )
    worse = "; the rest is worse by more than chance explains" if rest else ""
    return [
        f"{which} cannot be told apart from it on {plural(int(images), 'val image')}{worse}. More "
        "val images, or more seeds, would tell more."
    ]


def _same_probe(content: Content) -> list[str]:
    """Where the probe ships, settings of the method change nothing."""
    done = [row for row in content["runs"] if row.get("shipped")]
    probes = sum(row["shipped"] == MIXED_PROBE for row in done)
    if not probes or not any(key.startswith("method.") for key in content["plan"]["keys"]):
        return []
    return [
        f"In {probes} of {plural(len(done), 'run')} the mixed probe ships, which no setting of the "
        "method changes; ship=[mixed] compares the adapted models alone."
    ]


def _at_an_end(content: Content) -> list[str]:
    ends = [
        f"{key.key} ({key.labels[key.best]} is the {key.at_the_end})"
        for key in keys_of(content)
        if key.best is not None and key.at_the_end
    ]
    return [f"The best value is at the end of what was tried: {enumerated(ends)}."] if ends else []


def _states(content: Content) -> list[str]:
    states = [row["state"] for row in content["runs"]]
    words = [
        f"{states.count(state)} {shown}"
        for state, shown in (
            ("failed", "failed"),
            ("stopped", "stopped before their end"),
            ("waiting", "not begun"),
        )
        if state in states
    ]
    if not words:
        return []
    return [f"Of {plural(len(states), 'run')}, {enumerated(words)}."]


def command(content: Content) -> str:
    """The command that runs the best setting alone."""
    plan, best = content["plan"], content["settings"][0]
    row = next(row for row in content["runs"] if row["name"] == best["runs"][0])
    given = [*plan["overrides"], *(text for text in row["overrides"])]
    words = ["adapt", "run", plan["recipe"], *([plan["photos"]] if plan["photos"] else []), *given]
    return shlex.join(words)


def about(content: Content) -> list[str]:
    """How the numbers came about, a sentence each."""
    keys = [key for key in content["plan"]["keys"] if key != SEED]
    seeds = content["plan"]["keys"].get(SEED)
    total = 1
    for key in keys:
        total *= len(content["plan"]["keys"][key])
    draw = content["plan"]["draw"]
    tried = (
        f"{draw['settings']} of {plural(total, 'setting')}, drawn with seed {draw['seed']}"
        if draw
        else f"all {plural(total, 'setting')}"
    )
    over_seeds = f", each with {plural(len(seeds), 'seed')}" if seeds else ""
    shipped = sorted({model_name(row["shipped"]) for row in content["runs"] if row.get("shipped")})
    sentences = [f"Tried: {tried}{over_seeds}."]
    if shipped:
        sentences.append(
            f"Every number is that of the model that a run ships ({enumerated(shipped)}); alpha is "
            "its place between zero-shot (0) and the adapted model (1)."
        )
    sentences.append(
        f"Settings are ranked by {MEASURE_WORDS[content['rank_by']]} on val. The best of several "
        "is a little too good there, since it was chosen there; its test score is not."
    )
    sentences.append(
        "Test sets decided nothing. Whoever chooses by them has no test set any more. They were "
        f"opened {plural(content['openings'], 'time')}, as the ledgers of the runs say."
    )
    return sentences
