"""Many runs side by side: what each scores, and what differs between them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from adapt.common.files import check_new, plain, write_text
from adapt.common.typed import resolve_path
from adapt.comparison.measures import common_classes, matched, shift_mean
from adapt.comparison.sides import paired_eval
from adapt.errors import AdaptError, RecipeError, one_line
from adapt.evaluation.metrics.paired import paired_answers
from adapt.report.comparison.runs import render_runs
from adapt.report.record.pairs import RECALL, is_pairs, pair_sets
from adapt.report.record.read import RunRecord, read_run
from adapt.report.record.scores import SELECTION, ZERO_SHOT, ScoreTable
from adapt.report.record.values import mapping, mean, number
from adapt.runs.folder.answers import StoredAnswers, read_answers
from adapt.version import __version__

LEAST = 2
"""Runs that can be compared."""
NO_MEAN = ("name",)
"""Keys of recipes in which a difference means nothing."""


@dataclass
class RunsCompared:
    """The result of `compare_runs`."""

    content: dict[str, Any]
    """What `adapt report --compare --json` prints."""

    def write(self, page: str | Path, overwrite: bool = False) -> Path:
        """Write the page.

        Raises:
            RecipeError: When it is there and `overwrite` is not set.
        """
        check_new(Path(page), overwrite=overwrite)
        return write_text(page, render_runs(self.content))


def compare_runs(folders: Sequence[str | Path]) -> RunsCompared:
    """Put finished runs side by side; nothing is computed by a model.

    Args:
        folders: Run folders, two or more. Differences are against the first. They are formed, with
            the paired interval of `adapt diff`, only where both runs stored answers on the same
            images; elsewhere the reason stands in their place.

    Raises:
        RecipeError: When there are fewer than two, one is given twice or is no finished run, or
            they do not measure the same.
        RunError: When a run folder is damaged.
    """
    places = [resolve_path(folder) for folder in folders]
    different = len(set(map(Path.resolve, places)))
    if different < max(LEAST, len(places)):
        what = "not two runs" if different < LEAST else "a run given twice"
        raise RecipeError(
            f"report --compare - {what} - given {', '.join(map(str, folders)) or 'none'} - "
            "give two or more run folders, each once"
        )
    records = [read_run(place) for place in places]
    measures = [_measure(record.scores) for record in records]
    if len(set(measures)) > 1:
        given = ", ".join(f"{p}: {m}" for p, m in zip(folders, measures, strict=True))
        raise RecipeError(
            f"report --compare - runs that do not measure the same - {given} - compare runs of one "
            "kind of labels"
        )
    names = _told_apart(records)
    sets = list(dict.fromkeys(name for record in records for name in _sets(record.scores)))
    shared = [name for name in sets if all(name in _sets(record.scores) for record in records)]
    shifts = [name for name in shared if all(name != _sets(r.scores)[0] for r in records)]
    answers = [_answers(record) for record in records]
    runs = [
        _run(name, record, measures[0], (sets, shifts)) | _differences(answers[0], own, shifts)
        for name, record, own in zip(names, records, answers, strict=True)
    ]
    content = {
        "format": 1,
        "adapt": __version__,
        "measure": measures[0],
        "test": sets[0] if sets else None,
        "sets": sets,
        "shifts": shifts,
        "runs": runs,
        "settings": differing_settings({n: r.recipe for n, r in zip(names, records, strict=True)}),
    }
    return RunsCompared(plain(content))


def differing_settings(recipes: Mapping[str, str | None]) -> list[dict[str, Any]]:
    r"""The keys in which recipes differ, each with its value in every run.

    Args:
        recipes: The text of `recipe.yaml` by run; None where it is absent.

    Example:
        >>> differing_settings({"a": "seed: 0\nmethod: {lr: 1}", "b": "seed: 1\nmethod: {lr: 1}"})
        [{'key': 'seed', 'values': {'a': 0, 'b': 1}}]
    """
    flat = {name: _flat(text) for name, text in recipes.items() if text is not None}
    keys = dict.fromkeys(key for own in flat.values() for key in own if key not in NO_MEAN)
    return [
        {"key": key, "values": values}
        for key in keys
        if len({json.dumps(own.get(key)) for own in flat.values()}) > 1
        for values in [{name: own[key] for name, own in flat.items() if key in own}]
    ]


def _flat(text: str) -> dict[str, Any]:
    """The settings of a recipe by their path."""
    try:
        given = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}

    def walk(value: object, path: str) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            return {path: value}
        parts: dict[str, Any] = {}
        for key, inner in value.items():
            parts |= walk(inner, f"{path}.{key}" if path else str(key))
        return parts

    return walk(given, "") if isinstance(given, dict) else {}


def _measure(scores: ScoreTable) -> str:
    return RECALL if is_pairs(scores) else scores.measure


def _sets(scores: ScoreTable) -> list[str]:
    """The scored test sets, the one that is like the training images first."""
    if is_pairs(scores):
        return [name for name in pair_sets(scores) if name != SELECTION]
    return scores.evals


def _told_apart(records: Sequence[RunRecord]) -> list[str]:
    """A name for each run: its own, or that of its folder where several have the same."""
    own = [str(r.scores.get("title") or r.scores.get("name") or r.folder.name) for r in records]
    if len(set(own)) == len(own):
        return own
    folders = [record.folder.resolve().name for record in records]
    return folders if len(set(folders)) == len(folders) else [str(r.folder) for r in records]


def _answers(record: RunRecord) -> StoredAnswers | str:
    """What the run stored of its shipped model, or why that is not known."""
    try:
        return read_answers(record.folder)
    except AdaptError as error:
        return _reason(error)


def _reason(error: AdaptError) -> str:
    """What is wrong and what was given, without the advice: it belongs to another command."""
    place, *parts = one_line(error).split(" - ")
    return f"{place}: {' ('.join(parts[:2])})" if len(parts) > 1 else place


def _run(
    name: str, record: RunRecord, measure: str, sets: tuple[list[str], list[str]]
) -> dict[str, Any]:
    """What one run scored, and with what."""
    scores, (names, shifts) = record.scores, sets
    base = _sets(scores)[0] if _sets(scores) else None
    seconds = mapping(record.timing)
    model = mapping(scores.get("model"))
    return {
        "name": name,
        "folder": str(record.folder),
        "base": f"{model.get('arch', 'unknown')} ({model.get('pretrained', 'unknown')})",
        "method": scores.get("method"),
        "ships": scores.shipped,
        "alpha": number(scores.get("alpha")),
        "seed": scores.get("seed"),
        "seconds": number(seconds.get("total")),
        "calibration_error": None if base is None else scores.metric(scores.shipped, base, "ece"),
        "start": _scored(scores, ZERO_SHOT, measure, (names, shifts)),
        "shipped": _scored(scores, scores.shipped, measure, (names, shifts)),
    }


def _scored(
    scores: ScoreTable, model: str, measure: str, sets: tuple[list[str], list[str]]
) -> dict[str, Any]:
    names, shifts = sets
    values = {name: scores.metric(model, name, measure) for name in names}
    return {
        "scores": values,
        "intervals": {name: scores.bounds(model, name, measure) for name in names},
        "shift_mean": mean([values[name] for name in shifts]),
    }


def _differences(
    first: StoredAnswers | str, own: StoredAnswers | str, shifts: Sequence[str]
) -> dict[str, Any]:
    """The difference of a run to the first on every set, or why there is none."""
    if own is first:
        return {"differences": None, "shift_difference": None, "no_differences": ""}
    lacking = next((text for text in (first, own) if isinstance(text, str)), "")
    if isinstance(first, str) or isinstance(own, str):
        return {"differences": None, "shift_difference": None, "no_differences": lacking}
    known = {name: _difference(name, first, own) for name in first.evals if name in own.evals}
    whole = bool(shifts) and all("ci" in known.get(name, {}) for name in shifts)
    return {
        "differences": known,
        "shift_difference": shift_mean([known[name] for name in shifts]) if whole else None,  # type: ignore[misc]
        "no_differences": "",
    }


def _difference(name: str, first: StoredAnswers, own: StoredAnswers) -> dict[str, Any]:
    try:
        pair = paired_eval(name, first, own)
        given = matched(pair, common_classes(first.class_names, own.class_names))
    except AdaptError as error:
        return {"reason": _reason(error)}
    if given.left_out:
        return {"reason": f"{name}: {given.left_out:,} images are of a class of one run only"}
    return dict(paired_answers(*given.right))
