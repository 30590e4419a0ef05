"""Tables on uncertainty: calibration, abstention, conformal sets, unknown images."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.measures import id_name
from adapt.report.record.read import RunRecord
from adapt.report.record.values import mapping, number
from adapt.report.record.words import (
    count,
    decimal,
    enumerated,
    percent,
    short_percent,
    shorten,
)
from adapt.report.tables.cells import Cell, Table, Text
from adapt.report.tables.scores import eval_note

DETECTORS = {
    "msp": ("highest probability (msp)", "how sure the model is of its answer"),
    "energy": ("energy", "all logits together"),
    "knn": ("nearest neighbours (knn)", "distance to the training images"),
}
UNCOVERED_NAMED = 8


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
            Cell(decimal(entry.get("after"))),
        ]
        for name, entry in run.scores.by_eval(mapping(run.uncertainty).get("ece")).items()
    ]
    legend = (
        "How far confidence is from the fraction of right answers, on average: 0.05 means 5 points "
        "off. The temperature was fitted on val and may not fit a shift."
    )
    header = ["eval", "before", "after temperature"]
    return Table("Calibration error (ECE)", header, rows, legend=legend) if rows else None


def abstention_table(run: RunRecord) -> Table | None:
    """What the threshold chosen on val does on every eval."""
    stored = mapping(mapping(run.uncertainty).get("abstention"))
    rows = []
    for name, entry in run.scores.by_eval(stored.get("evals")).items():
        coverage, accuracy = number(entry.get("coverage")), number(entry.get("accuracy"))
        silent = coverage == 0
        rows.append(
            [
                Cell(name, eval_note(run.scores, name)),
                Cell(percent(coverage)),
                Cell(percent(accuracy), "no image is answered" if silent else ""),
                Cell(percent(run.scores.metric(run.scores.shipped, name))),
            ]
        )
    wanted, threshold = number(stored.get("coverage")), number(stored.get("threshold"))
    legend = (
        f"Below a confidence of {percent(threshold)} the model abstains, so that it answers "
        f"{short_percent(wanted)} of val. `adapt predict` says so in the column `abstained`. Fewer "
        "answers on a shift mean that the model notices the change."
    )
    header = ["eval", "answered", "accuracy on these", "accuracy on all"]
    return Table("Abstaining when unsure", header, rows, legend=legend) if rows else None


def conformal_table(run: RunRecord) -> Table | None:
    """Coverage and size of conformal sets, with one threshold and with one per class."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    level = number(stored.get("level"))
    kinds = [
        run.scores.by_eval(mapping(stored.get(kind)).get("evals"))
        for kind in ("global", "per_class")
    ]
    names = list(dict.fromkeys(name for evals in kinds for name in evals))
    rows = [
        [
            Cell(name, _promise(run, name)),
            *(cell for evals in kinds for cell in _set_cells(run, evals.get(name, {}), level)),
        ]
        for name in names
    ]
    legend = (
        f"A set of classes for each image that holds the true class {short_percent(level)} of the "
        "time, for images like the held-out ones. Nothing is promised under a shift: read the "
        "coverage there. A set of one class is an answer; an empty set means that the image is "
        "unlike every class."
    )
    header = ["eval", *["coverage", "classes per set", "one class", "empty"] * 2]
    groups = (("", 1), ("one threshold for all", 4), ("one threshold per class", 4))
    return Table("Conformal sets", header, rows, groups, legend=legend) if rows else None


def uncovered_words(run: RunRecord) -> Text | None:
    """Which classes have too few held-out images for a threshold of their own, as a sentence."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    names = [
        shorten(str(name), 40) for name in mapping(stored.get("per_class")).get("uncovered") or []
    ]
    if not names:
        return None
    total = len(run.scores.get("classes", []))
    return Text(
        f"Too few held-out images for a threshold per class in {len(names)} of {total} classes: "
        f"{enumerated(names, UNCOVERED_NAMED)}. These classes are in every set, and the bundle "
        "holds no thresholds per class."
    )


def unknown_table(run: RunRecord) -> Table | None:
    """How well images of none of the classes are told from images of known classes."""
    stored = mapping(mapping(run.uncertainty).get("unknown"))
    rows = [
        [
            Cell(*DETECTORS.get(str(name), (str(name), ""))),
            Cell(percent(mapping(entry).get("auroc"))),
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


def _set_cells(run: RunRecord, entry: Mapping[str, Any], level: float | None) -> list[Cell]:
    coverage, size = number(entry.get("coverage")), number(entry.get("size"))
    short = None if level is None or coverage is None else round(100 * (level - coverage), 1)
    every = size is not None and size >= len(run.scores.get("classes", []))
    return [
        Cell(percent(coverage), f"{short:.1f} short" if short is not None and short > 0 else ""),
        Cell(decimal(size, 2), "every class: says nothing" if every else ""),
        Cell(percent(entry.get("single"))),
        Cell(percent(entry.get("empty"))),
    ]
