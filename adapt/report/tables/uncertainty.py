"""Tables of the uncertainty page: calibration, abstention, conformal sets, unknown images."""

from collections.abc import Mapping
from typing import Any

from adapt.report.record.measures import id_name
from adapt.report.record.numbers import decimal, evals, metric, percent, share, shipped, shorten
from adapt.report.record.read import Run, mapping, number
from adapt.report.tables.cells import Cell, Table, count_text, in_words
from adapt.report.tables.scores import eval_note

DETECTORS = {
    "msp": ("highest probability (msp)", "how sure the model is of its answer"),
    "energy": ("energy", "all logits together"),
    "knn": ("nearest neighbours (knn)", "distance to the training images"),
}
UNCOVERED_NAMED = 8


def temperature_words(run: Run) -> str:
    """What calibration did to the confidences, as a sentence."""
    value = number(mapping(run.uncertainty).get("temperature"))
    if value is None:
        return "The temperature is n/a: the run stored none."
    if value == 1:
        return "Temperature 1: confidences are left as they are."
    if value > 1:
        what = "the raw model was too sure of itself, so all confidences are lowered"
    else:
        what = "the raw model was not sure enough, so all confidences are raised"
    return f"Temperature {value:.3g}, fitted on held-out images: {what}. No answer changes by it."


def ece_table(run: Run) -> Table | None:
    """Calibration error of every eval before and after temperature."""
    rows = [
        [
            Cell(name, eval_note(run.scores, name)),
            Cell(decimal(number(entry.get("before")))),
            Cell(decimal(number(entry.get("after")))),
        ]
        for name, entry in _by_eval(run, mapping(run.uncertainty).get("ece")).items()
    ]
    legend = (
        "How far confidence is from the share that is right, on average; 0.05 means 5 points off. "
        "The temperature was fitted on val and may not fit a shift."
    )
    header = ["eval", "before", "after temperature"]
    return Table("Calibration error (ECE)", header, rows, legend=legend) if rows else None


def abstention_table(run: Run) -> Table | None:
    """What the threshold that was chosen on val does on every eval."""
    stored = mapping(mapping(run.uncertainty).get("abstention"))
    rows = []
    for name, entry in _by_eval(run, stored.get("evals")).items():
        coverage, accuracy = number(entry.get("coverage")), number(entry.get("accuracy"))
        silent = coverage == 0
        rows.append(
            [
                Cell(name, eval_note(run.scores, name)),
                Cell(percent(coverage)),
                Cell(percent(accuracy), "nothing is answered" if silent else ""),
                Cell(percent(metric(run.scores, shipped(run.scores), name))),
            ]
        )
    wanted, threshold = number(stored.get("coverage")), number(stored.get("threshold"))
    legend = (
        f"Below a confidence of {percent(threshold)} the model abstains, which answers "
        f"{share(wanted)} of val. `adapt predict` says so in the column `abstained`. Fewer answers "
        "on a shift mean that the model notices the change."
    )
    header = ["eval", "answered", "accuracy of these", "accuracy of all"]
    return Table("Abstaining when unsure", header, rows, legend=legend) if rows else None


def conformal_table(run: Run) -> Table | None:
    """Coverage and size of conformal sets, with one threshold and with one per class."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    level = number(stored.get("level"))
    kinds = [
        _by_eval(run, mapping(stored.get(kind)).get("evals")) for kind in ("global", "per_class")
    ]
    names = list(dict.fromkeys(name for found in kinds for name in found))
    rows = [
        [
            Cell(name, _promise(run, name)),
            *(cell for found in kinds for cell in _set_cells(run, found.get(name, {}), level)),
        ]
        for name in names
    ]
    legend = (
        f"A set of classes per image that holds the true one {share(level)} of the time, for "
        "images like the held-out ones. Under shift nothing is promised: read the column coverage. "
        "Sets of one class are answers; empty sets are images unlike all classes."
    )
    header = ["eval", *["coverage", "classes in a set", "one class", "empty"] * 2]
    groups = (("", 1), ("one threshold for all", 4), ("a threshold per class", 4))
    return Table("Conformal sets", header, rows, groups, legend=legend) if rows else None


def uncovered_words(run: Run) -> str | None:
    """Which classes have too few held-out images for a threshold of their own, as a sentence."""
    stored = mapping(mapping(run.uncertainty).get("conformal"))
    names = [
        shorten(str(name), 40) for name in mapping(stored.get("per_class")).get("uncovered") or []
    ]
    if not names:
        return None
    count = len(run.scores.get("classes", []))
    return (
        f"Per class, {len(names)} of {count} classes have too few held-out images for a threshold "
        f"and are in every set: {in_words(names, UNCOVERED_NAMED)}. The bundle therefore holds no "
        "thresholds per class."
    )


def unknown_table(run: Run) -> Table | None:
    """How well images of none of the classes are told from known ones."""
    stored = mapping(mapping(run.uncertainty).get("unknown"))
    rows = [
        [
            Cell(*DETECTORS.get(str(name), (str(name), ""))),
            Cell(percent(number(mapping(found).get("auroc")))),
            Cell(percent(number(mapping(found).get("fpr95")))),
        ]
        for name, found in mapping(stored.get("detectors")).items()
    ]
    against, count = stored.get("against") or "the test set", count_text(stored.get("n"))
    legend = (
        "AUROC: how often a known image looks more familiar than an unknown one (50 % is "
        "guessing, 100 % perfect). FPR95: the share of unknown images that still pass when 95 % "
        "of the known ones do; lower is better."
    )
    caption = f"Telling {count} unknown images ({stored.get('eval')}) from those of {against}"
    return Table(caption, ["detector", "AUROC", "FPR95"], rows, legend=legend) if rows else None


def _by_eval(run: Run, stored: object) -> dict[str, Mapping[str, Any]]:
    """Entries by eval, in recipe order."""
    found = mapping(stored)
    order = [name for name in evals(run.scores) if name in found]
    return {str(name): mapping(found[name]) for name in dict.fromkeys([*order, *found])}


def _promise(run: Run, name: str) -> str:
    return "like the held-out images" if name == id_name(run) else "shift: nothing is promised"


def _set_cells(run: Run, entry: Mapping[str, Any], level: float | None) -> list[Cell]:
    coverage, size = number(entry.get("coverage")), number(entry.get("size"))
    short = None if level is None or coverage is None else round(100 * (level - coverage), 1)
    every = size is not None and size >= len(run.scores.get("classes", []))
    return [
        Cell(percent(coverage), f"{short:.1f} short" if short is not None and short > 0 else ""),
        Cell(decimal(size, 2), "all: says nothing" if every else ""),
        Cell(percent(number(entry.get("single")))),
        Cell(percent(number(entry.get("empty")))),
    ]
