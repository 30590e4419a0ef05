"""Tables on uncertainty: calibration, abstention, conformal sets, unknown images."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.measures import id_name
from adapt.report.record.read import RunRecord
from adapt.report.record.values import interval, mapping, number
from adapt.report.record.words import (
    count,
    decimal,
    enumerated,
    percent,
    short_percent,
    shorten,
    span,
)
from adapt.report.tables.cells import Cell, Table, Text
from adapt.report.tables.scores import eval_note

DETECTORS = {
    "msp": ("highest probability (msp)", "how sure the model is of its answer"),
    "energy": ("energy", "all logits together"),
    "knn": ("nearest neighbours (knn)", "distance to the training images"),
}
UNCOVERED_NAMED = 8
SCORES = {"lac": "LAC", "aps": "APS", "raps": "RAPS"}


def temperature_words(run: RunRecord) -> Text | None:
    """What calibration did to the confidences, as a sentence."""
    if run.uncertainty is None:
        return None
    value = number(run.uncertainty.get("temperature"))
    if value is None:
        return Text("The temperature is n/a: the run stored none.")
    if value == 1:
        return Text("Temperature 1: confidences are left as they are.")
    what = "too sure of itself, so all confidences are lowered"
    if value < 1:
        what = "not sure enough, so all confidences are raised"
    return Text(
        f"Temperature {value:.3g}, fitted on held-out images: the raw model was {what}. This "
        "changes no answer."
    )


def ece_table(run: RunRecord) -> Table | None:
    """Calibration error of every eval before and after temperature."""
    rows = [
        [
            Cell(name, eval_note(run.scores, name)),
            Cell(decimal(entry.get("before"))),
            Cell(decimal(entry.get("after")), _beside_chance(entry)),
            Cell(decimal(entry.get("by_chance"))),
            Cell(decimal(entry.get("most_by_chance"))),
        ]
        for name, entry in run.scores.by_eval(mapping(run.uncertainty).get("ece")).items()
    ]
    legend = (
        "How far confidence is from the fraction of right answers, on average: 0.05 means 5 points "
        "off. The temperature was fitted on val and may not fit a shift. By chance: what a "
        "perfectly calibrated model with these confidences would show on so many images, on "
        "average and in 95 of 100 cases at most."
    )
    header = ["eval", "before", "after temperature", "mean by chance", "most by chance"]
    return Table("Calibration error (ECE)", header, rows, legend=legend) if rows else None


def _beside_chance(entry: Mapping[str, Any]) -> str:
    error, most = number(entry.get("after")), number(entry.get("most_by_chance"))
    if error is None or most is None:
        return ""
    return "more than chance" if error > most else "may be chance"


def abstention_table(run: RunRecord) -> Table | None:
    """What the threshold chosen on val does on every eval."""
    stored = mapping(mapping(run.uncertainty).get("abstention"))
    rows = []
    for name, entry in run.scores.by_eval(stored.get("evals")).items():
        coverage, accuracy = number(entry.get("coverage")), number(entry.get("accuracy"))
        silent = "no image is answered" if coverage == 0 else ""
        rows.append(
            [
                Cell(name, eval_note(run.scores, name)),
                Cell(percent(coverage), span(interval(entry.get("coverage_ci")))),
                Cell(percent(accuracy), silent or span(interval(entry.get("accuracy_ci")))),
                Cell(
                    percent(run.scores.metric(run.scores.shipped, name)),
                    span(run.scores.bounds(run.scores.shipped, name)),
                ),
            ]
        )
    wanted, threshold = number(stored.get("coverage")), number(stored.get("threshold"))
    legend = (
        f"Below a confidence of {percent(threshold)} the model abstains, so that it answers "
        f"{short_percent(wanted)} of val. `adapt predict` says so in the column `abstained`. Fewer "
        "answers on a shift mean that the model notices the change. Small: 95 % intervals."
    )
    header = ["eval", "answered", "accuracy on these", "accuracy on all"]
    return Table("Abstaining when unsure", header, rows, legend=legend) if rows else None


def conformal_table(run: RunRecord) -> Table | None:
    """Coverage and size of the sets that the bundle makes, with one threshold and one per class."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    level = number(stored.get("level"))
    kinds = {
        title: run.scores.by_eval(mapping(stored.get(kind)).get("evals"))
        for kind, title in (
            ("global", "one threshold for all"),
            ("per_class", "one threshold per class"),
        )
    }
    kinds = {title: evals for title, evals in kinds.items() if evals}
    names = list(dict.fromkeys(name for evals in kinds.values() for name in evals))
    empty = bool(stored.get("empty"))
    rows = [
        [
            Cell(name, _promise(run, name)),
            *(
                cell
                for evals in kinds.values()
                for cell in _set_cells(run, evals.get(name, {}), level)[: 4 if empty else 3]
            ),
        ]
        for name in names
    ]
    legend = (
        f"A set of classes for each image that holds the true class {short_percent(level)} of the "
        "time, for images like the held-out ones. Nothing is promised under a shift: read the "
        "coverage there. A set of one class is an answer"
        + ("; an empty set means that the image is unlike every class." if empty else ".")
        + " Below each coverage its 95 % interval; short: all of it is below the level."
    )
    columns = ["coverage", "classes per set", "one class", "empty"][: 4 if empty else 3]
    header = ["eval", *columns * len(kinds)]
    groups = (("", 1), *((title, len(columns)) for title in kinds))
    caption = f"Conformal sets ({_score_name(stored)})"
    return Table(caption, header, rows, groups, legend=legend) if rows else None


def set_scores_table(run: RunRecord) -> Table | None:
    """The three scores that sets can be made from, side by side."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    by_score = {
        str(score): run.scores.by_eval(evals)
        for score, evals in mapping(stored.get("scores")).items()
        if evals
    }
    names = list(dict.fromkeys(name for evals in by_score.values() for name in evals))
    rows = [
        [
            Cell(name),
            *(
                cell
                for evals in by_score.values()
                for cell in (
                    Cell(percent(mapping(evals.get(name)).get("coverage"))),
                    Cell(decimal(mapping(evals.get(name)).get("size"), 2)),
                )
            ),
        ]
        for name in names
    ]
    groups = (("", 1), *((SCORES.get(score, score), 2) for score in by_score))
    header = ["eval", *["coverage", "classes per set"] * len(by_score)]
    legend = (
        "One threshold for all classes, chosen on held-out images. At equal coverage smaller sets "
        "say more. LAC is made for small sets, APS and RAPS for coverage that is as high for hard "
        "images as for easy ones. Choose with `uncertainty.score`, before looking at test sets."
    )
    return Table("Ways to make the sets", header, rows, groups, legend=legend) if rows else None


def why_no_sets(run: RunRecord) -> str:
    """Why there are no conformal sets, as a sentence without its full stop."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    if not stored or not run.scores.evals:
        return "no test set was evaluated"
    level, images = short_percent(stored.get("level")), count(stored.get("held_out"))
    return (
        f"{images} held-out images are too few for a level of {level}, and the bundle holds no "
        "thresholds; use folds or a larger val"
    )


def uncovered_words(run: RunRecord) -> Text | None:
    """Where held-out images are too few for thresholds per class, as a sentence."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    if not mapping(mapping(stored.get("global")).get("evals")):
        return None
    names = [
        shorten(str(name), 40) for name in mapping(stored.get("per_class")).get("uncovered") or []
    ]
    if not names:
        return None
    total = len(run.scores.get("classes", []))
    which = "any class" if len(names) == total else f"{len(names)} of {total} classes"
    named = "" if len(names) == total else f": {enumerated(names, UNCOVERED_NAMED)}"
    return Text(
        f"A threshold per class would say nothing for {which}{named}. The held-out images are too "
        "few, or the class would be in every set. So none per class are stored or shown."
    )


def unknown_table(run: RunRecord) -> Table | None:
    """How well images of none of the classes are told from images of known classes."""
    stored = mapping(mapping(run.uncertainty).get("unknown"))
    rows = [
        [
            Cell(*DETECTORS.get(str(name), (str(name), ""))),
            Cell(percent(mapping(entry).get("auroc")), str(mapping(entry).get("reason") or "")),
            Cell(percent(mapping(entry).get("fpr95"))),
        ]
        for name, entry in mapping(stored.get("detectors")).items()
    ]
    against, images = stored.get("against") or "the test set", count(stored.get("n"))
    legend = (
        "Out-of-distribution detection. AUROC: how often a known image looks more familiar than an "
        "unknown one (50 % is guessing, 100 % is perfect). FPR95: the fraction of unknown images "
        "that still pass when 95 % of the known ones do; lower is better."
    )
    caption = f"Telling {images} unknown images ({stored.get('eval')}) from images of {against}"
    return Table(caption, ["detector", "AUROC", "FPR95"], rows, legend=legend) if rows else None


def _promise(run: RunRecord, name: str) -> str:
    return "like the held-out images" if name == id_name(run) else "shift: nothing is promised"


def _score_name(stored: Mapping[str, Any]) -> str:
    score = str(stored.get("score") or "lac")
    return SCORES.get(score, score) + (", randomised" if stored.get("randomised") else "")


def _set_cells(run: RunRecord, entry: Mapping[str, Any], level: float | None) -> list[Cell]:
    coverage, size = number(entry.get("coverage")), number(entry.get("size"))
    ends = interval(entry.get("coverage_ci"))
    short = level is not None and ends is not None and ends[1] < level
    every = size is not None and size >= len(run.scores.get("classes", []))
    return [
        Cell(percent(coverage), span(ends) + (", short" if short else "")),
        Cell(decimal(size, 2), "every class: says nothing" if every else ""),
        Cell(percent(entry.get("single"))),
        Cell(percent(entry.get("empty"))),
    ]
