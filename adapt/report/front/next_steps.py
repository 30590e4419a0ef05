"""What to do next with a run, the most urgent first."""

from adapt.report.front.classes import LONGEST, worst_class
from adapt.report.record.guard import guard_of
from adapt.report.record.pairs import is_pairs
from adapt.report.record.read import RunRecord
from adapt.report.record.scores import ScoreTable, over
from adapt.report.record.ship import (
    ADD_SHIFTS,
    TOLERATED_LOSS,
    ships_zero_shot,
    too_small_words,
)
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import percent, shorten, size

MOST = 4
"""Steps that are named, the last one included: how to use the model."""
WEAK = 0.7
"""Recall below which a class is worth a look."""


def next_steps(run: RunRecord) -> list[str]:
    """Whole sentences, the most urgent first; the last says how to use what ships."""
    scores = run.scores
    found = [
        *_leak(scores),
        *_nothing_gained(scores),
        *too_small_words(scores),
        *_probe_ahead(scores),
        *_lost_on_shifts(scores),
        *_no_shift(scores),
        *_weak_class(run),
    ]
    return [*found[: MOST - 1], _use(run)]


def _leak(scores: ScoreTable) -> list[str]:
    names = list(mapping(scores.get("leak_free")))
    if not names:
        return []
    return [
        f"Take the images of {' and '.join(names)} that also stand in train or val out of one of "
        "them, and run again: `adapt check` lists them."
    ]


def _nothing_gained(scores: ScoreTable) -> list[str]:
    if not ships_zero_shot(scores) or scores.get("method") == "zero_shot":
        return []
    return [
        "Training brought nothing on held-out images: label more images (`adapt suggest` says "
        "which), or try another method (`adapt list methods`)."
    ]


def _probe_ahead(scores: ScoreTable) -> list[str]:
    entry = mapping(mapping(guard_of(scores).get("against")).get("linear_probe"))
    bounds, name = interval(entry.get("ci")), scores.test
    held = bounds is not None and bounds[1] < 0
    ahead = None if name is None else scores.difference("linear_probe", name, scores.shipped)[0]
    if not held and (ahead is None or ahead <= TOLERATED_LOSS):
        return []
    by = "" if ahead is None or ahead <= 0 else f" by {size(ahead)} on {name}"
    return [
        f"A linear probe on frozen features is ahead{by}: run again with "
        "`method=linear_probe` and put both side by side with `adapt report --compare`."
    ]


def _lost_on_shifts(scores: ScoreTable) -> list[str]:
    lost, _ = scores.shift_difference(scores.shipped)
    if lost is None or round(lost, 9) >= -TOLERATED_LOSS:
        return []
    smaller = number(scores.get("alpha"))
    alpha = "ALPHA" if smaller is None else f"{smaller / 2:.2g}"
    return [
        f"{size(lost)} were lost on {over(scores.shifts)}: a smaller alpha keeps more of zero-shot "
        f"(`adapt mix RUN --alpha {alpha} --out MODEL`)."
    ]


def _no_shift(scores: ScoreTable) -> list[str]:
    if scores.shifts or is_pairs(scores):
        return []
    return [f"Robustness was not measured. {ADD_SHIFTS}"]


def _weak_class(run: RunRecord) -> list[str]:
    worst = worst_class(run)
    if worst is None or worst[3] >= WEAK or run.scores.several_labels:
        return []
    return [
        f"Look at the images of {shorten(worst[0], LONGEST)} ({percent(worst[3])} recognised) "
        "under worst mistakes: a wrong label shows up there, too. If the labels are right, label "
        "more images of this class."
    ]


def _use(run: RunRecord) -> str:
    folder = run.folder.name or "RUN"
    where = f"{folder}/model" if folder.isprintable() and "`" not in folder else "RUN/model"
    if is_pairs(run.scores):
        return f"Use it: `adapt embed PHOTOS {where} -o PARTS`, then `adapt search`."
    return f"Use it: `adapt predict {where} PHOTOS`, or `adapt serve {where}`."
